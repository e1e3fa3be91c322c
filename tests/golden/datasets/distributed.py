"""Writes tiny files laid out as CIFAR-10, CIFAR-100, SVHN and MNIST distribute theirs, and what outside readers see in them.

The pictures are the first ones of Fashion-MNIST's training set (MIT licence), padded to 32x32 and tinted but for MNIST's
form. What outside readers see in that one, ../torchvision/read_datasets.py says. CIFAR's pickles were written by Python 2; `Python2Pickler` writes strings as Python 2 did, and Python's own `pickle.load` reads them back.

    python distributed.py [folder of Fashion-MNIST's IDX files]
"""

import gzip
import io
import json
import pickle
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import scipy.io

HERE = Path(__file__).parent / "distributed"
FASHION = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/datasets/fashion-mnist")
TINTS = np.array([[1.0, 0.6, 0.3], [0.4, 1.0, 0.7], [0.8, 0.5, 1.0]])


class Python2Pickler(pickle._Pickler):
    """Protocol 2 with the string opcodes of Python 2: every text and every run of bytes is a `str`."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        value = value.encode() if isinstance(value, str) else value
        if len(value) < 256:
            self.write(b"U" + struct.pack("<B", len(value)) + value)
        else:
            self.write(b"T" + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_string
    dispatch[str] = save_string

    def save_global(self, obj, name=None):
        module = "numpy.core.multiarray" if obj.__name__ == "_reconstruct" else obj.__module__
        self.write(f"c{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global
    dispatch[type(np.dot)] = save_global
    dispatch[type(lambda: None)] = save_global
    dispatch[type(len)] = save_global


def dump(record, path):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(record)
    path.write_bytes(file.getvalue())


def grey_pictures(count):
    """`[count, 28, 28]` bytes."""
    with gzip.open(FASHION / "train-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read()[16 : 16 + count * 784], np.uint8).reshape(count, 28, 28)


def pictures(count):
    """`[count, 3, 32, 32]` bytes."""
    grey = grey_pictures(count)
    grey = np.pad(grey, ((0, 0), (2, 2), (2, 2)))
    tints = TINTS[np.arange(count) % 3]
    return (grey[:, None] * tints[:, :, None, None]).astype(np.uint8)


def summary(images, labels):
    """Images as `[count, channels, height, width]`."""
    images = np.ascontiguousarray(images)
    return {
        "shape": list(images.shape),
        "labels": [int(label) for label in labels],
        "row_16_of_the_first": images[0, :, 16, :].tolist(),
        "crc32": zlib.crc32(images.tobytes()),
    }


def load(path):
    with path.open("rb") as file:
        return pickle.load(file, encoding="latin1")


def folder(name):
    (HERE / name).mkdir(parents=True, exist_ok=True)
    return HERE / name


def cifar10(images):
    binary, pickled = folder("cifar-10-batches-bin"), folder("cifar-10-batches-py")
    labels = [(7 * i + 3) % 10 for i in range(12)]
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for i, name in enumerate(names):
        part = slice(2 * i, 2 * i + 2)
        pixels = images[part].reshape(2, 3072)
        (binary / f"{name}.bin").write_bytes(b"".join(bytes([l]) + p.tobytes() for l, p in zip(labels[part], pixels)))
        files = [f"picture_{j}.png" for j in range(2 * i, 2 * i + 2)]
        dump({"batch_label": name, "labels": labels[part], "data": pixels, "filenames": files}, pickled / name)
    read = [load(pickled / name) for name in names]
    images = np.concatenate([record["data"] for record in read]).reshape(-1, 3, 32, 32)
    labels = sum((record["labels"] for record in read), [])
    return {"train": summary(images[:10], labels[:10]), "test": summary(images[10:], labels[10:])}


def cifar100(images):
    binary, pickled = folder("cifar-100-binary"), folder("cifar-100-python")
    expected = {}
    for name, part in [("train", slice(0, 4)), ("test", slice(4, 6))]:
        pixels = images[part].reshape(-1, 3072)
        fine = [(37 * i + 99) % 100 for i in range(6)][part]
        coarse = [(5 * i + 1) % 20 for i in range(6)][part]
        records = zip(coarse, fine, pixels)
        (binary / f"{name}.bin").write_bytes(b"".join(bytes([c, f]) + p.tobytes() for c, f, p in records))
        record = {"filenames": ["picture.png"] * len(fine), "batch_label": name, "fine_labels": fine}
        dump(record | {"coarse_labels": coarse, "data": pixels}, pickled / name)
        read = load(pickled / name)
        expected[name] = summary(read["data"].reshape(-1, 3, 32, 32), read["fine_labels"])
    return expected


def svhn(images):
    expected = {}
    for name, part in [("train", slice(0, 12)), ("test", slice(3, 8))]:
        path = folder("svhn") / f"{name}_32x32.mat"
        labels = np.array([[(3 * i) % 10 + 1] for i in range(12)], np.uint8)[part]
        scipy.io.savemat(path, {"X": images[part].transpose(2, 3, 1, 0), "y": labels}, do_compression=True)
        # Neither the time nor the system at which the file was written belongs into the repository.
        path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + path.read_bytes()[116:])
        read = scipy.io.loadmat(path)
        expected[name] = summary(read["X"].transpose(3, 2, 0, 1), read["y"].ravel() % 10)
    return expected


def mnist(images):
    """The same four files twice: plain, and gzipped."""
    expected = {}
    for name, split, part in [("train", "train", slice(0, 5)), ("test", "t10k", slice(5, 8))]:
        labels = np.array([(7 * i + 3) % 10 for i in range(8)], np.uint8)[part]
        for what, array in [("images-idx3", images[part]), ("labels-idx1", labels)]:
            # Two zeros, 8 for unsigned bytes, how many sides there are, and each, most significant byte first.
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            file = header + array.tobytes()
            (folder("idx") / f"{split}-{what}-ubyte").write_bytes(file)
            (folder("idx-gz") / f"{split}-{what}-ubyte.gz").write_bytes(gzip.compress(file, mtime=0))
        expected[name] = summary(images[part][:, None], labels)
    return expected


images = pictures(12)
expected = {"cifar10": cifar10(images), "cifar100": cifar100(images), "svhn": svhn(images), "mnist": mnist(grey_pictures(8))}
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
