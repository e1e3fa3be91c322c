"""Writes the largest eigenvalue of the exact Hessian of small networks, for the power iteration of `unlearn-training`.

    python curvature.py        needs numpy 2.4

A network is z = V·relu(W·x) + b with the mean cross-entropy. With p the softmax, the Hessian has two parts: the Gauss–Newton part
JᵀHJ, with H = diag(p) − ppᵀ, and the second derivatives of z, which are 0 but for ∂²z_k/∂V_kj∂W_ji = [h_j > 0]·x_i. Rows and columns of
pruned weights of W are left out.
"""

import json
import pathlib

import numpy as np

rng = np.random.default_rng(7)


def case(side, hidden, classes, count, keep):
    width = side * side
    pixels = rng.integers(0, 256, (count, width))
    labels = rng.integers(0, classes, count)
    kept = rng.random((hidden, width)) < keep
    w = (rng.normal(0, 1.5 / np.sqrt(width), (hidden, width)) * kept).astype(np.float32)
    v = rng.normal(0, 1.5 / np.sqrt(hidden), (classes, hidden)).astype(np.float32)
    b = rng.normal(0, 0.1, classes).astype(np.float32)
    x = pixels / 255.0
    size = w.size + v.size + b.size
    hessian = np.zeros((size, size))
    for sample, label in zip(x, labels):
        before = w.astype(np.float64) @ sample
        on = before > 0
        h = before * on
        z = v.astype(np.float64) @ h + b
        p = np.exp(z - z.max())
        p /= p.sum()
        jacobian = np.zeros((classes, size))
        for k in range(classes):
            jacobian[k, : w.size] = np.outer(v[k] * on, sample).ravel()
            jacobian[k, w.size + k * hidden : w.size + (k + 1) * hidden] = h
            jacobian[k, w.size + v.size + k] = 1
        hessian += jacobian.T @ (np.diag(p) - np.outer(p, p)) @ jacobian
        residual = p - np.eye(classes)[label]
        for k in range(classes):
            for j in np.flatnonzero(on):
                row = w.size + k * hidden + j
                columns = slice(j * width, (j + 1) * width)
                hessian[row, columns] += residual[k] * sample
                hessian[columns, row] += residual[k] * sample
    hessian /= count
    chosen = np.r_[kept.ravel(), np.ones(v.size + b.size, bool)]
    values = np.linalg.eigvalsh(hessian[np.ix_(chosen, chosen)])
    assert values[-1] > -values[0]
    return {
        "side": side,
        "hidden": hidden,
        "classes": classes,
        "first": w.ravel().tolist(),
        "second": v.ravel().tolist(),
        "bias": b.tolist(),
        "kept": kept.ravel().astype(float).tolist(),
        "pixels": pixels.ravel().tolist(),
        "labels": labels.tolist(),
        "eigenvalue": values[-1],
        "next": values[-2],
    }


golden = {"cases": [case(4, 5, 3, 30, 1.0), case(4, 6, 4, 24, 0.4), case(5, 8, 3, 40, 0.1)]}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
