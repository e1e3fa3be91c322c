"""Saves the tiny pickles of CIFAR-100 in `distributed/` again as Python 3 does: in each protocol, with keys as text and as bytes, and with
labels as a list, as an array and as a list of NumPy's numbers. What is in them is what `distributed/expected.json` says.

    python resaved.py
"""

import pickle
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LABELS = {"list": list, "array": lambda labels: np.array(labels, dtype=">i4"), "numbers": lambda labels: list(np.array(labels))}

for name, protocol, keys, labels in [
    ("protocol-2", 2, "bytes", "array"),
    ("protocol-2-text", 2, "text", "numbers"),
    ("protocol-3", 3, "bytes", "numbers"),
    ("protocol-4", 4, "text", "list"),
    ("protocol-5", 5, "bytes", "array"),
]:
    folder = HERE / "resaved" / name
    folder.mkdir(parents=True, exist_ok=True)
    for part in ["train", "test"]:
        with (HERE / "distributed/cifar-100-python" / part).open("rb") as file:
            record = pickle.load(file, encoding="latin1")
        record["fine_labels"] = LABELS[labels](record["fine_labels"])
        record["filenames"] = [b"", *(name.encode() for name in record["filenames"][1:])]
        if keys == "bytes":
            record = {key.encode(): value for key, value in record.items()}
        with (folder / part).open("wb") as file:
            pickle.dump(record, file, protocol=protocol)
