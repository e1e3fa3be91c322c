"""Writes the golden data of `unlearn-mia-eval`: real scores, and what scikit-learn's SVC says about them.

    python svc.py            needs numpy 2.4, scikit-learn 1.9 and Debian's dataset-fashion-mnist

Three models, over-fitted so that members and non-members differ:

- `digits`: a multi-layer perceptron on half of scikit-learn's digits (10 classes).
- `cancer`: a multi-layer perceptron on part of scikit-learn's breast-cancer data (2 classes).
- `fashion`: a multi-layer perceptron on 3,000 images of Fashion-MNIST; only the one-dimensional scores are kept.

For the first two, `<name>.logits.f32` holds the logits (little-endian f32, [retain + test + forget, classes]) and
`<name>.json` the labels and, for each feature, the decisions of `SVC(C=3, gamma="auto")` fitted on members (retain, 1)
and non-members (test, 0), as a string of 0 and 1 over all rows, in the order of the logits. `fashion.<feature>.f32` holds scores and
`fashion.json` decisions in the same order.

Decisions are stored for scikit-learn's default tolerance (`default`) and for a tight one (`tight`): where the two differ, the
default has not converged.
"""

import gzip
import json
import pathlib
import subprocess
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

HERE = pathlib.Path(__file__).parent
warnings.simplefilter("ignore", ConvergenceWarning)


def softmax(logits):
    z = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def features(logits, labels):
    """Every feature, [rows, dimension], from the definitions: Song & Mittal 2021 for the entropies."""
    p = softmax(logits)
    rows = np.arange(len(p))
    # 1 − p without cancellation: the sum of the other classes.
    q = np.stack([np.delete(p, c, axis=1).sum(axis=1) for c in range(p.shape[1])], axis=1)
    log = lambda v: np.log(np.maximum(v, 1e-30))
    per_class = -p * log(q)
    per_class[rows, labels] = -q[rows, labels] * log(p[rows, labels])
    return {
        "confidence": p[rows, labels][:, None],
        "correctness": (p.argmax(axis=1) == labels).astype(np.float64)[:, None],
        "entropy": -(p * log(p)).sum(axis=1)[:, None],
        "m-entropy": per_class.sum(axis=1)[:, None],
        "m-entropy-compat": m_entropy_of_the_reference(p.astype(np.float32), labels)[:, None],
        "prob": p,
    }


def m_entropy_of_the_reference(p, labels):
    """Whole columns replaced, log p in place of log(1 − p)."""
    log_p = np.log(np.where(p > 0, p, np.float32(1e-30)))
    modified = p.copy()
    modified[:, labels] = 1 - p[:, labels]
    return -(modified * log_p).sum(axis=1).astype(np.float64)


def decisions(points, retain, test):
    """Decisions over all rows of an SVC fitted on the first `retain` rows (1) against the next `test` rows (0)."""
    count = min(retain, test)
    train = np.concatenate([points[:count], points[retain : retain + count]])
    target = np.concatenate([np.ones(count), np.zeros(count)])
    bits = {}
    for name, tol in [("default", 1e-3), ("tight", 1e-8)]:
        svc = SVC(C=3, gamma="auto", tol=tol, max_iter=20_000_000).fit(train, target)
        bits[name] = "".join(str(int(v)) for v in svc.predict(points))
    return bits


def logits_of(network, x):
    a = x
    for i, (w, b) in enumerate(zip(network.coefs_, network.intercepts_)):
        a = a @ w + b
        if i < len(network.coefs_) - 1:
            a = np.maximum(a, 0)
    if a.shape[1] == 1:  # scikit-learn's two-class network has one output
        a = np.concatenate([-a / 2, a / 2], axis=1)
    return a.astype(np.float32)


def train(x, y, retain, test, forget, noise, seed):
    """Trains on `retain` rows and a third of the forget rows; logits and labels in the order retain, test, forget."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))[: retain + test + forget]
    x, y = x[order], y[order].astype(np.int64)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6) + rng.normal(0, noise, x.shape)
    seen = np.r_[0:retain, retain + test : retain + test + forget // 3]
    network = MLPClassifier((64,), max_iter=60, random_state=seed, alpha=0, n_iter_no_change=60).fit(x[seen], y[seen])
    return logits_of(network, x), y


def tabular(name, data, retain, test, forget, noise, seed):
    logits, labels = train(*data(return_X_y=True), retain, test, forget, noise, seed)
    logits.astype("<f4").tofile(HERE / f"{name}.logits.f32")
    summary = {"classes": int(logits.shape[1]), "retain": retain, "test": test, "forget": forget}
    summary["labels"] = labels.tolist()
    summary["decisions"] = {k: decisions(v, retain, test) for k, v in features(logits, labels).items()}
    (HERE / f"{name}.json").write_text(json.dumps(summary) + "\n")
    return summary


def fashion_images(part):
    files = subprocess.run(["dpkg", "-L", "dataset-fashion-mnist"], capture_output=True, text=True, check=True).stdout
    read = lambda kind: gzip.open(next(f for f in files.split() if f"{part}-{kind}" in f)).read()
    x = np.frombuffer(read("images"), np.uint8, offset=16).reshape(-1, 784) / 255
    return x, np.frombuffer(read("labels"), np.uint8, offset=8)


def fashion(retain=3000, test=3000, forget=1000):
    logits, labels = train(*fashion_images("train"), retain, test, forget, 0.5, 3)
    summary = {"retain": retain, "test": test, "forget": forget, "decisions": {}}
    for name, points in features(logits, labels).items():
        if name in ("confidence", "entropy", "m-entropy"):
            points = points.astype("<f4")
            points.tofile(HERE / f"fashion.{name}.f32")
            summary["decisions"][name] = decisions(points.astype(np.float64), retain, test)
    (HERE / "fashion.json").write_text(json.dumps(summary) + "\n")
    return summary


if __name__ == "__main__":
    for summary in [
        tabular("digits", load_digits, 800, 600, 300, 2.0, 1),
        tabular("cancer", load_breast_cancer, 250, 200, 100, 2.0, 2),
        fashion(),
    ]:
        for feature, bits in summary["decisions"].items():
            a, b = (np.array(list(bits[k])) == "1" for k in ("default", "tight"))
            r, t = summary["retain"], summary["test"]
            parts = [a[:r].mean(), a[r : r + t].mean(), a[r + t :].mean()]
            print(f"{feature:17} default = tight on {100 * (a == b).mean():.3f} %; member rate {np.round(parts, 3)}")
