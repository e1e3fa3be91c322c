"""Writes the golden values of transfer: converted images (Pillow), rank correlations (SciPy) and a new head (scikit-learn).

    python generate.py        needs the packages of requirements.txt
"""

import json
import pathlib

import numpy as np
from PIL import Image
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(17)


def converted(source, target):
    """Two images [channels, height, width], converted as `img.convert(mode).resize((width, height), BILINEAR)`."""
    channels, height, width = source
    images = rng.integers(0, 256, (2, channels, height, width), dtype=np.uint8)
    out = []
    for planes in images:
        image = Image.fromarray(planes[0] if channels == 1 else np.moveaxis(planes, 0, 2))
        image = image.convert("L" if target[0] == 1 else "RGB").resize((target[2], target[1]), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        out.append(pixels[None] if target[0] == 1 else np.moveaxis(pixels, 2, 0))
    return {
        "from": source,
        "to": target,
        "images": images.ravel().tolist(),
        "converted": np.stack(out).ravel().tolist(),
    }


def spearman(n, ties):
    a = rng.normal(0, 1, n)
    b = a + rng.normal(0, 1, n)
    if ties:
        a, b = np.round(a), np.round(b * 2)
    return {"a": a.tolist(), "b": b.tolist(), "rho": float(spearmanr(a, b).statistic)}


def head(n, columns, classes, c):
    """A probe on standardised features. The last feature is constant."""
    centres = rng.normal(0, 1, (classes, columns))
    labels = rng.integers(0, classes, 2 * n)
    x = centres[labels] + rng.normal(0, 1.2, (2 * n, columns))
    x = x * np.linspace(0.1, 30, columns) + np.linspace(5, -5, columns)
    x[:, -1] = 3
    x = (np.round(x * 64) / 64).astype(np.float32)
    # One vector of weights for two classes, and two here: C is twice as large for the same optimum.
    classifier = LogisticRegression(
        C=2 * c if classes == 2 else c, tol=1e-10, max_iter=100_000, solver="newton-cg"
    )
    model = make_pipeline(StandardScaler(), classifier)
    model.fit(x[:n].astype(np.float64), labels[:n])
    return {
        "columns": columns,
        "classes": classes,
        "c": c,
        "train": x[:n].ravel().tolist(),
        "labels": labels[:n].tolist(),
        "test": x[n:].ravel().tolist(),
        "probabilities": model.predict_proba(x[n:].astype(np.float64)).ravel().tolist(),
    }


shapes = [
    ([1, 8, 8], [1, 28, 28]),
    ([3, 9, 7], [1, 9, 7]),
    ([1, 6, 10], [3, 6, 10]),
    ([3, 12, 9], [1, 5, 8]),
    ([1, 7, 5], [3, 14, 3]),
]
golden = {
    "converted": [converted(*pair) for pair in shapes],
    "spearman": [spearman(6, False), spearman(10, True), spearman(2, False)],
    "head": [head(60, 5, 3, 1.0), head(40, 4, 2, 0.1)],
}
path = pathlib.Path(__file__).with_name("transfer.json")
path.write_text(json.dumps(golden) + "\n")
