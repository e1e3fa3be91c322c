"""Writes the golden values of the figures of representations of `unlearn-metrics`: CKA, MMD, the linear
probe and silhouettes by centroids.

    python representations.py        needs numpy 2.4, scipy 1.17 and scikit-learn 1.9
"""

import json
import pathlib

import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(18)


def floats(values):
    """Values that JSON's digits and f32 both hold exactly."""
    return (np.round(np.asarray(values) * 64) / 64).astype(np.float32)


def cka(n, p, q):
    x = floats(rng.normal(0.3, 1, (n, p)))
    y = floats(x @ rng.normal(0, 1, (p, q)) * 0.7 + rng.normal(0, 1, (n, q)))
    a, b = (v.astype(np.float64) - v.astype(np.float64).mean(axis=0) for v in (x, y))
    value = np.linalg.norm(a.T @ b) ** 2 / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return {"p": p, "q": q, "x": x.ravel().tolist(), "y": y.ravel().tolist(), "cka": value}


def mmd(m, n, columns, shift):
    x, y = floats(rng.normal(0, 1, (m, columns))), floats(rng.normal(shift, 1.2, (n, columns)))
    both = np.r_[x, y].astype(np.float64)
    distances = pdist(both)
    bandwidth = np.median(distances)
    k = np.exp(-squareform(distances) ** 2 / (2 * bandwidth**2))
    xx, yy, xy = k[:m, :m], k[m:, m:], k[:m, m:]
    unbiased = (xx.sum() - m) / (m * (m - 1)) + (yy.sum() - n) / (n * (n - 1)) - 2 * xy.mean()
    return {
        "columns": columns,
        "x": x.ravel().tolist(),
        "y": y.ravel().tolist(),
        "bandwidth": bandwidth,
        "unbiased": unbiased,
        "biased": xx.mean() + yy.mean() - 2 * xy.mean(),
    }


def probe(n, columns, classes, c):
    centres = rng.normal(0, 1, (classes, columns))
    labels = rng.integers(0, classes, 2 * n)
    x = floats(centres[labels] + rng.normal(0, 1.2, (2 * n, columns)))
    train, test = x[:n], x[n:]
    # One vector of weights for two classes, and two here: C is twice as large for the same optimum.
    model = LogisticRegression(C=2 * c if classes == 2 else c, tol=1e-10, max_iter=100_000, solver="newton-cg")
    model.fit(train.astype(np.float64), labels[:n])
    return {
        "columns": columns,
        "classes": classes,
        "c": c,
        "train": train.ravel().tolist(),
        "labels": labels[:n].tolist(),
        "test": test.ravel().tolist(),
        "probabilities": model.predict_proba(test.astype(np.float64)).ravel().tolist(),
        "predicted": model.predict(test.astype(np.float64)).tolist(),
    }


def silhouettes(n, columns, classes):
    labels = rng.integers(0, classes, n)
    x = floats(rng.normal(0, 1.5, (classes, columns))[labels] + rng.normal(0, 1, (n, columns)))
    means = np.stack([x[labels == k].astype(np.float64).mean(axis=0) for k in range(classes)])
    distances = np.linalg.norm(x[:, None, :].astype(np.float64) - means[None], axis=2)
    own = distances[np.arange(n), labels]
    other = np.where(np.arange(classes)[None] == labels[:, None], np.inf, distances).min(axis=1)
    values = (other - own) / np.maximum(own, other)
    return {"columns": columns, "x": x.ravel().tolist(), "labels": labels.tolist(), "silhouettes": values.tolist()}


golden = {
    "cka": [cka(40, 5, 3), cka(12, 20, 30)],
    "mmd": [mmd(20, 35, 3, 0.5), mmd(24, 24, 2, 0.0)],
    "probe": [probe(60, 6, 4, 1.0), probe(50, 4, 2, 0.3), probe(45, 8, 3, 30.0)],
    "silhouettes": [silhouettes(40, 5, 3), silhouettes(25, 2, 2)],
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
