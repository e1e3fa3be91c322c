"""PyTorch's own reader on `written.pth`, which the Rust tests of `torch-files` wrote.

    python written.py                  # reads written.pth, writes written.json

`written.json` holds what PyTorch has after `load_state_dict` into a module whose convolution `torch.nn.utils.prune` has pruned: the
shape and the bits of each tensor. The Rust test holds both its own file and these bits against what it means to write.
"""
import json
import pathlib
import warnings
import zipfile

import torch
import torch.nn as nn
from torch.nn.utils import prune

HERE = pathlib.Path(__file__).parent


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("std", torch.ones(1))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 3, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 2)
        prune.identity(self.conv1, "weight")


def main():
    warnings.simplefilter("error")
    path = HERE / "written.pth"
    state = torch.load(path, weights_only=True)
    mapped = torch.load(path, weights_only=True, mmap=True)
    net = Net()
    strict = net.load_state_dict(state, strict=True)
    held = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert all(torch.equal(mapped[name], tensor) for name, tensor in held.items())
    # What the module computes with is the product of both.
    assert torch.equal(net.conv1.weight_orig * net.conv1.weight_mask, state["conv1.weight_orig"])
    aligned = []
    with zipfile.ZipFile(path) as archive, open(path, "rb") as raw:
        assert archive.testzip() is None
        for entry in archive.infolist():
            raw.seek(entry.header_offset + 26)
            name, extra = (int.from_bytes(raw.read(2), "little") for _ in range(2))
            aligned.append((entry.header_offset + 30 + name + extra) % 64 == 0 or "data/" not in entry.filename)
    tensors = {
        name: {"shape": list(tensor.shape), "bits": (tensor.flatten().view(torch.int32).long() % 2**32).tolist()}
        for name, tensor in held.items()
    }
    read = {"strict": "All keys matched" if not any(strict) else str(strict), "aligned": all(aligned), "tensors": tensors}
    (HERE / "written.json").write_text(json.dumps(read, indent=1) + "\n")


main()
