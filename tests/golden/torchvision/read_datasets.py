"""Has torchvision's classes of datasets read what is in ../datasets, and what `unlearn datasets export` writes: that the files
which the tests of the crate `unlearn-datasets` read are what they are said to be. Writes nothing here; fails where it disagrees.

    python read_datasets.py [path of the `unlearn` binary]
"""

import json
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
from torchvision import datasets
from torchvision.datasets.utils import extract_archive

GOLDEN = Path(__file__).resolve().parents[1] / "datasets"
ROOT = Path(__file__).resolve().parents[3]
UNLEARN = sys.argv[1:2] or ["cargo", "run", "--quiet", "--release", "-p", "unlearn-cli", "--bin", "unlearn", "--"]
DISTRIBUTED = GOLDEN / "distributed"


def unsummed(files):
    """The same without the checksums of the real files: with None, torchvision asks only whether a file is there."""
    return [[*file[:-1], None] for file in files]


class Cifar10(datasets.CIFAR10):
    train_list = unsummed(datasets.CIFAR10.train_list)
    test_list = unsummed(datasets.CIFAR10.test_list)

    def _load_meta(self):
        """The names of the classes, which the files here lack."""


class Cifar100(datasets.CIFAR100):
    train_list = unsummed(datasets.CIFAR100.train_list)
    test_list = unsummed(datasets.CIFAR100.test_list)
    _load_meta = Cifar10._load_meta


class Svhn(datasets.SVHN):
    split_list = {split: [*file[:-1], None] for split, file in datasets.SVHN.split_list.items()}


class Mnist(datasets.MNIST):
    raw_folder = str(DISTRIBUTED / "idx")


class PackedMnist(datasets.MNIST):
    """Reads files after they were unpacked as its `download` does it."""

    def _check_exists(self):
        Path(self.raw_folder).mkdir(parents=True, exist_ok=True)
        for file, _ in self.resources:
            extract_archive(DISTRIBUTED / "idx-gz" / file, self.raw_folder)
        return super()._check_exists()


def check(what, dataset, expected):
    images = np.stack([np.asarray(image) for image, _ in dataset])
    # Pillow's pictures have their channels last, or, if they are grey, none.
    images = np.ascontiguousarray(images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2))
    assert list(images.shape) == expected["shape"], what
    assert [label for _, label in dataset] == expected["labels"], what
    assert images[0, :, 16, :].tolist() == expected["row_16_of_the_first"], what
    assert zlib.crc32(images.tobytes()) == expected["crc32"], what
    print(f"torchvision reads the same in {what}")


def distributed(scratch):
    expected = json.loads((DISTRIBUTED / "expected.json").read_text())
    for split in ["train", "test"]:
        train = split == "train"
        check(f"cifar-10-batches-py, {split}", Cifar10(DISTRIBUTED, train), expected["cifar10"][split])
        check(f"cifar-100-python, {split}", Cifar100(DISTRIBUTED, train), expected["cifar100"][split])
        check(f"svhn, {split}", Svhn(DISTRIBUTED / "svhn", split), expected["svhn"][split])
        check(f"idx, {split}", Mnist(DISTRIBUTED, train), expected["mnist"][split])
        check(f"idx-gz, {split}", PackedMnist(scratch, train), expected["mnist"][split])


def pictures():
    expected = json.loads((GOLDEN / "pictures/expected.json").read_text())["folder"]
    for split, name in [("train", "train"), ("test", "val")]:
        folder = datasets.ImageFolder(GOLDEN / "pictures/folder" / name)
        assert folder.class_to_idx == {"ant": 0, "bee": 1}
        check(f"pictures/folder, {split}", folder, expected[split])


def export(scratch):
    for path in [scratch / "mini.npz", scratch / "mini"]:
        command = [*UNLEARN, "datasets", "export", "fashion-mnist-mini", "--to", str(path)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    arrays = np.load(scratch / "mini.npz")
    for split in ["train", "test"]:
        folder = datasets.ImageFolder(scratch / "mini" / split)
        names = [f"{number}_{name.replace('/', '-')}" for number, name in enumerate(arrays["classes"])]
        assert folder.class_to_idx == {name: number for number, name in enumerate(names)}
        # ImageFolder has the pictures class by class, in a class by the names of files, which are positions.
        labels = arrays[f"y_{split}"]
        order = np.argsort(labels, kind="stable")
        assert [label for _, label in folder.samples] == labels[order].tolist()
        assert [int(Path(path).stem) for path, _ in folder.samples] == order.tolist()
        for position, (image, _) in zip(order, folder):
            # Its loader makes every picture one of three channels.
            assert (np.asarray(image) == arrays[f"x_{split}"][position][:, :, None]).all()
        print(f"torchvision reads the same in the export, {split}: {len(folder)} pictures")


with tempfile.TemporaryDirectory() as scratch:
    distributed(scratch)
    pictures()
    export(Path(scratch))
