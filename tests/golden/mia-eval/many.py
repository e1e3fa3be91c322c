"""Writes `many.json`: what scikit-learn's SVC says about the vectors of probabilities of many samples.

    python many.py           needs the packages of requirements.txt

The logits are not stored. A linear congruential generator makes them here and, in the same operations, in the test:
3,000 members, 3,000 non-members and 1,000 others, five classes. The decisions are those of `SVC(C=3, gamma="auto")`, fitted
on the first 6,000 rows, for all rows, as a string of 0 and 1: for scikit-learn's default tolerance and for a tight one.
"""

import json
import pathlib

import numpy as np
from sklearn.svm import SVC

HERE = pathlib.Path(__file__).parent
CLASSES, MEMBERS, OTHERS = 5, 3000, 1000


def normal(state):
    """About normally distributed: twelve uniform numbers of 24 bits, less 6. All sums are exact."""
    total = 0
    for _ in range(12):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        total += state >> 40
    return total / 2.0**24 - 6.0, state


def logits():
    state, rows = 18, []
    for row in range(2 * MEMBERS + OTHERS):
        known = row < MEMBERS or (row >= 2 * MEMBERS and row % 2 == 0)
        stands_out, state = normal(state)
        stands_out = 4.0 + 2.0 * stands_out if known else 2.5 + 3.0 * stands_out
        values = []
        for c in range(CLASSES):
            noise, state = normal(state)
            values.append(1.5 * noise + (stands_out if c == row % CLASSES else 0.0))
        rows.append(values)
    return np.array(rows).astype(np.float32)


def main():
    z = logits().astype(np.float64)
    z = np.exp(z - z.max(axis=1, keepdims=True))
    points = z / z.sum(axis=1, keepdims=True)
    train, members = points[: 2 * MEMBERS], np.arange(2 * MEMBERS) < MEMBERS
    bits = {}
    for name, tol in [("default", 1e-3), ("tight", 1e-8)]:
        svc = SVC(C=3, gamma="auto", tol=tol, max_iter=20_000_000, cache_size=1000).fit(train, members)
        bits[name] = "".join(str(int(v)) for v in svc.predict(points))
        print(name, svc.support_.size, np.mean([b == "1" for b in bits[name]]))
    print("agreement", np.mean([a == b for a, b in zip(bits["default"], bits["tight"])]))
    summary = {"classes": CLASSES, "retain": MEMBERS, "test": MEMBERS, "forget": OTHERS, "decisions": {"prob": bits}}
    (HERE / "many.json").write_text(json.dumps(summary) + "\n")


main()
