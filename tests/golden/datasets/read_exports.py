"""Exports the dataset that ships with the program in both forms and reads them with NumPy and Pillow: the way back of the
golden data. Writes nothing here; fails if the two disagree.

    python read_exports.py [path of the `unlearn` binary]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
UNLEARN = sys.argv[1:2] or ["cargo", "run", "--quiet", "--release", "-p", "unlearn-cli", "--bin", "unlearn", "--"]

with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    for path in [folder / "mini.npz", folder / "mini"]:
        command = [*UNLEARN, "datasets", "export", "fashion-mnist-mini", "--to", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    arrays = np.load(folder / "mini.npz")
    for split, count in [("train", 8000), ("test", 2000)]:
        images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
        assert (images.shape, images.dtype, labels.dtype) == ((count, 28, 28), np.uint8, np.int64)
        assert np.bincount(labels).tolist() == [count // 10] * 10
        # ImageFolder's classes are the folders in ascending order; a file is named by its position.
        classes = sorted(path.name for path in (folder / "mini" / split).iterdir())
        assert [name[2:] for name in classes] == [name.replace("/", "-") for name in arrays["classes"]]
        files = sorted((folder / "mini" / split).glob("*/*.png"), key=lambda path: int(path.stem))
        assert len(files) == count
        for position, path in enumerate(files):
            assert int(path.stem) == position and classes.index(path.parent.name) == labels[position]
            assert (np.asarray(Image.open(path)) == images[position]).all()
print("NumPy and Pillow read the same in both exports")
