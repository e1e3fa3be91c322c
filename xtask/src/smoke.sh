#!/bin/sh
# Compares the GPU of this machine with the CPU, trains one epoch on each, and times PyTorch beside it if this machine
# has it. Takes minutes. Needs an NVIDIA driver, and CUDA's libraries of version 13: in lib/ beside this script, in a
# toolkit on the library path, or in a PyTorch. Arguments go to `smoke`; `./smoke.sh --images 2000` is shorter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libraries="libcublas.so.13 libcublasLt.so.13 libcurand.so.10 libnvrtc.so.13"

if ! nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null; then
    echo "error: no NVIDIA driver answers on this machine (nvidia-smi fails); install one, then start this again" >&2
    exit 1
fi

# Folders of libraries that come with Python packages, such as those of PyTorch.
packaged=$(python3 - 2>/dev/null <<'PYTHON' || true
import glob, os, site
roots = site.getsitepackages() + [site.getusersitepackages()]
print(":".join(d for root in roots for d in glob.glob(os.path.join(root, "nvidia", "*", "lib"))))
PYTHON
)
LD_LIBRARY_PATH="$here/lib:$packaged:/usr/local/cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export LD_LIBRARY_PATH
missing=""
for library in $libraries; do
    found=""
    old_ifs=$IFS
    IFS=:
    for folder in $LD_LIBRARY_PATH; do
        if [ -n "$folder" ] && [ -e "$folder/$library" ]; then found=yes; fi
    done
    IFS=$old_ifs
    if [ -z "$found" ] && ! ldconfig -p 2>/dev/null | grep -q "$library"; then missing="$missing $library"; fi
done
if [ -n "$missing" ]; then
    echo "error: CUDA's libraries are missing:$missing" >&2
    echo "fetch them by: python3 -m pip install nvidia-cublas nvidia-curand 'nvidia-cuda-nvrtc==13.*'" >&2
    echo "or copy them to $here/lib (about 800 MiB)" >&2
    exit 1
fi

"$here/smoke" --device cuda:0 "$@"

if python3 -c "import torch, sys; sys.exit(not torch.cuda.is_available())" 2>/dev/null; then
    python3 "$here/torch_epoch.py"
else
    echo "no PyTorch with CUDA on this machine, so nothing to time beside it"
fi
