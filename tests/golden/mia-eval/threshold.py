"""Writes the golden values of the attack by thresholds: Song & Mittal's per-class thresholds, written down again.

    python threshold.py      needs numpy 2.4 and scipy 1.17, and the logits that `svc.py` wrote

The first halves of the retain and the test rows (of the smaller number) fit the thresholds, all other rows are judged.
"""

import json
import pathlib

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

HERE = pathlib.Path(__file__).parent


def features(logits, labels):
    """Greater values for members."""
    p = softmax(logits.astype(np.float64), axis=1)
    rows = np.arange(len(p))
    q = np.stack([np.delete(p, c, axis=1).sum(axis=1) for c in range(p.shape[1])], axis=1)
    log = lambda v: np.log(np.maximum(v, 1e-30))
    per_class = -p * log(q)
    per_class[rows, labels] = -q[rows, labels] * log(p[rows, labels])
    return {
        "confidence": p[rows, labels],
        "correctness": (p.argmax(axis=1) == labels).astype(np.float64),
        "entropy": (p * log(p)).sum(axis=1),
        "m-entropy": -per_class.sum(axis=1),
    }


def best(members, others):
    """The greatest of the best thresholds, or None if none beats chance."""
    if len(members) == 0 or len(others) == 0:
        return None
    found = (0.5, None)
    for value in sorted(set(members) | set(others), reverse=True):
        accuracy = ((members >= value).mean() + (others < value).mean()) / 2
        if accuracy > found[0] + 1e-12:
            found = (accuracy, value)
    return found[1]


def delong(x, y):
    wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / len(x) + wins.mean(axis=0).var(ddof=1) / len(y))
    area, z = wins.mean(), norm.ppf(0.975)
    return area, max(0.0, area - z * error), min(1.0, area + z * error)


def judged(name):
    summary = json.loads((HERE / f"{name}.json").read_text())
    classes, retain, test = summary["classes"], summary["retain"], summary["test"]
    labels = np.array(summary["labels"])
    logits = np.fromfile(HERE / f"{name}.logits.f32", "<f4").reshape(-1, classes)
    half = min(retain, test) // 2
    found = {}
    for feature, v in features(logits, labels).items():
        fit = np.r_[0:half], np.r_[retain : retain + half]
        held = np.r_[half:retain], np.r_[retain + half : retain + test]
        forget = np.r_[retain + test : len(v)]
        overall = best(v[fit[0]], v[fit[1]])
        of = [best(*(v[rows][labels[rows] == c] for rows in fit)) for c in range(classes)]
        cuts = np.array([overall if cut is None else cut for cut in of])
        called = lambda rows: (v[rows] >= cuts[labels[rows]]).mean()
        akin = np.r_[retain : retain + test]
        akin = akin[np.isin(labels[akin], labels[forget])]
        found[feature] = {
            "accuracy": 50 * (called(held[0]) + 1 - called(held[1])),
            "efficacy": 100 * (1 - called(forget)),
            "auc": delong(v[forget], v[akin]),
        }
    return found


golden = {name: judged(name) for name in ("digits", "cancer")}
(HERE / "threshold.json").write_text(json.dumps(golden) + "\n")
