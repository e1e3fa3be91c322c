"""Writes the golden values of `unlearn-metrics`: SciPy's t intervals, entropies, distances and rank statistics.

    python metrics.py        needs numpy 2.4 and scipy 1.17
"""

import json
import pathlib

import numpy as np
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import entropy, mannwhitneyu, t

rng = np.random.default_rng(1)


def interval(values):
    low, high = t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"values": list(values), "interval": [low, high]}


def closeness(samples=40, classes=7):
    logits = (rng.normal(0, 4, (2, samples, classes))).round(3).astype(np.float32)
    logits[1] = (logits[0] + 0.4 * logits[1]).round(3)
    q, p = softmax(logits.astype(np.float64), axis=2)
    return {
        "classes": classes,
        "model": [float(f"{v:.4f}") for v in logits[0].ravel()],
        "retrain": [float(f"{v:.4f}") for v in logits[1].ravel()],
        "kl_divergence": entropy(p, q, axis=1).mean(),
        "js_divergence": (jensenshannon(p, q, axis=1) ** 2).mean(),
        "activation_distance": np.linalg.norm(p - q, axis=1).mean(),
        "prediction_agreement": 100 * (p.argmax(axis=1) == q.argmax(axis=1)).mean(),
    }


def separation(positives, negatives):
    """Rounded values, so that there are ties."""
    high, low = rng.normal(0.4, 1, positives).round(1), rng.normal(0, 1, negatives).round(1)
    area = mannwhitneyu(high, low).statistic / (positives * negatives)
    return {"positives": high.tolist(), "negatives": low.tolist(), "auc": area}


golden = {
    "intervals": [interval((94 + rng.normal(0, 1.5, n)).round(2)) for n in (2, 3, 5, 10, 30)],
    "closeness": closeness(),
    "auc": [separation(*sizes) for sizes in ((1, 1), (3, 50), (80, 40))],
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")
