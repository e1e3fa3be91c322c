"""Writes numpy_legacy.json and the .npy files beside this script: what NumPy's legacy generator draws.

    pip install numpy==2.4.6 && python tests/golden/datasets/numpy_legacy.py

Long index lists are kept as their first entries and the CRC-32 of all of them as little-endian uint32.
"""

import json
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
FIRST = 24


def summary(indices):
    checksum = zlib.crc32(np.asarray(indices).astype("<u4").tobytes())
    return {"count": len(indices), "first": [int(i) for i in indices[:FIRST]], "crc32": checksum}


def words(generator, count):
    """Raw 32-bit words of the Mersenne Twister under a RandomState."""
    return [int(word) for word in generator._bit_generator.random_raw(count)]


def raw():
    for seed in (0, 1, 2, 5489, 2**31, 2**32 - 1):
        generator = np.random.RandomState(seed)
        for skipped in (0, 1300):
            if skipped:
                words(generator, skipped - 4)
            yield {"seed": seed, "skipped": skipped, "words": words(generator, 4)}


def permutations():
    for seed in (0, 1, 2, 12345, 2**31, 2**32 - 1):
        for size in (1, 2, 7, 5000, 70000):
            generator = np.random.RandomState(seed)
            drawn = generator.choice(size, size, replace=False)
            # A draw of fewer is the beginning of a draw of all; hold NumPy to it here, so that one list serves both.
            fewer = np.random.RandomState(seed).choice(size, size // 3, replace=False)
            assert (drawn[: size // 3] == fewer).all()
            yield {
                "seed": seed,
                "size": size,
                "drawn": summary(drawn),
                "next_word": words(generator, 1)[0],
            }


def protocol():
    """The data protocol on made-up labels: validation, then class-wise and random forget sets."""
    count, classes, share = 5003, 10, 0.1
    labels = (np.arange(count, dtype=np.int64) * 7 + np.arange(count) // 13) % classes
    for seed in (1, 2, 2**32 - 1):
        generator = np.random.RandomState(seed)
        held_out = []
        for label in range(classes):
            members = np.flatnonzero(labels == label)
            held_out.append(generator.choice(members, int(share * len(members)), replace=False))
        validation = np.sort(np.concatenate(held_out))
        train = np.setdiff1d(np.arange(count), validation)

        def forget(candidates, size):
            drawn = np.random.RandomState(seed - 1).choice(candidates, size, replace=False)
            return np.sort(train[drawn])

        yield {
            "seed": seed,
            "validation": summary(validation),
            "train": summary(train),
            "class_3_of_100": summary(forget(np.flatnonzero(labels[train] == 3), 100)),
            "random_450": summary(forget(np.arange(len(train)), 450)),
        }


def main():
    golden = {
        "numpy": np.__version__,
        "raw": list(raw()),
        "permutations": list(permutations()),
        "protocol": list(protocol()),
    }
    lines = []
    for key, value in golden.items():
        if isinstance(value, list):
            rows = ",\n".join("  " + json.dumps(row) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (HERE / "numpy_legacy.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

    positions = [3, 14, 159, 2, 65]
    with open(HERE / "positions_int32_v1.npy", "wb") as file:
        np.lib.format.write_array(file, np.array(positions, "<i4"), version=(1, 0))
    with open(HERE / "positions_int64_v2.npy", "wb") as file:
        np.lib.format.write_array(file, np.array(positions, "<i8"), version=(2, 0))


if __name__ == "__main__":
    main()
