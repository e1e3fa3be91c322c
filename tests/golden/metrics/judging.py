"""Writes the golden values of the statistics of `unlearn-metrics`: ROC curves, exact intervals, t-tests, Holm, effect sizes.

    python judging.py        needs numpy 2.4, scipy 1.17 and scikit-learn 1.9
"""

import json
import pathlib

import numpy as np
from scipy.special import gammaln, log_softmax, logsumexp
from scipy.stats import binomtest, bootstrap, norm, ttest_ind, ttest_rel
from sklearn.metrics import roc_auc_score, roc_curve

rng = np.random.default_rng(18)


def delong(x, y):
    """The interval from the definition: the matrix of comparisons, its row means and its column means."""
    wins = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    area, m, n = wins.mean(), len(x), len(y)
    error = np.sqrt(wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n)
    z = norm.ppf(0.975)
    return [max(0.0, area - z * error), min(1.0, area + z * error)]


def roc(m, n, shift, digits):
    """Rounded scores, so that there are ties."""
    x, y = rng.normal(shift, 1, m).round(digits) + 0.0, rng.normal(0, 1, n).round(digits) + 0.0
    truth, scores = np.r_[np.ones(m), np.zeros(n)], np.r_[x, y]
    fpr, tpr, thresholds = roc_curve(truth, scores, drop_intermediate=False)

    def at(rate):
        return None if round(rate * n, 9) < 1 else tpr[fpr <= rate + 1e-12].max()

    def area(x, y):
        return roc_auc_score(np.r_[np.ones(len(x)), np.zeros(len(y))], np.r_[x, y])

    drawn = bootstrap((x, y), area, n_resamples=4000, method="percentile", vectorized=False, rng=1)
    return {
        "positives": x.tolist(),
        "negatives": y.tolist(),
        "auc": area(x, y),
        "delong": delong(x, y),
        "bootstrap": list(drawn.confidence_interval),
        "fpr": fpr.tolist(),
        "tpr": tpr.tolist(),
        "thresholds": thresholds[1:].tolist(),
        "best_balanced": ((tpr + 1 - fpr) / 2).max(),
        "balanced_at_zero": ((x >= 0).mean() + (y < 0).mean()) / 2,
        "at_1_percent": at(0.01),
        "at_10_percent": at(0.1),
    }


def exact(successes, trials):
    interval = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    return {"successes": successes, "trials": trials, "interval": list(interval)}


def log_odds(logits, label):
    row = np.array(logits, dtype=np.float32).astype(np.float64)
    margin = row[label] - logsumexp(np.delete(row, label))
    p = np.exp(log_softmax(row)[label])
    if 1e-6 < p < 1 - 1e-6:
        assert abs(margin - (np.log(p) - np.log1p(-p))) < 1e-8
    return {"logits": [float(v) for v in row], "label": label, "phi": margin}


def j(freedom):
    return np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2)


def with_interval(g, variance):
    half = norm.ppf(0.975) * np.sqrt(variance)
    return [g, g - half, g + half]


def t_tests(m, n, shift):
    a, b = rng.normal(shift, 1, m).round(3), rng.normal(0, 2, n).round(3)
    welch = ttest_ind(a, b, equal_var=False)
    pooled = np.sqrt(((m - 1) * a.var(ddof=1) + (n - 1) * b.var(ddof=1)) / (m + n - 2))
    g = j(m + n - 2) * (a.mean() - b.mean()) / pooled
    case = {
        "a": a.tolist(),
        "b": b.tolist(),
        "welch": [welch.statistic, welch.df, welch.pvalue],
        "g_unpaired": with_interval(g, (m + n) / (m * n) + g**2 / (2 * (m + n))),
    }
    if m == n:
        paired = ttest_rel(a, b)
        d = a - b
        g = j(n - 1) * d.mean() / d.std(ddof=1)
        case["paired"] = [paired.statistic, paired.df, paired.pvalue]
        case["g_paired"] = with_interval(g, 1 / n + g**2 / (2 * n))
    return case


def holm(p):
    """From the definition: the adjusted p of a test is the greatest (m − i + 1) p_(i) up to it."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    for rank in range(len(p)):
        adjusted[order[rank]] = min(1.0, max((len(p) - i) * p[order[i]] for i in range(rank + 1)))
    return {"p": list(p), "adjusted": adjusted.tolist()}


golden = {
    "roc": [roc(60, 150, 0.7, 1), roc(40, 30, 0.2, 2), roc(25, 200, 1.5, 1)],
    "clopper_pearson": [exact(*case) for case in ((0, 1), (1, 1), (0, 50), (50, 50), (1, 1000), (13, 40), (7, 20000), (19990, 20000))],
    "log_odds": [
        log_odds([1.5, -0.5, 0.25], 0),
        log_odds([3.0, 3.0], 1),
        log_odds([80.0, -20.0, 3.0, 1.0], 0),
        log_odds([80.0, -20.0, 3.0, 1.0], 1),
        log_odds([-300.0, 500.0, 499.5], 2),
    ],
    "t_tests": [t_tests(*case) for case in ((3, 3, 1.0), (10, 10, 2.0), (5, 12, 0.3), (40, 40, 0.0))],
    "holm": [holm(p) for p in ([0.01, 0.04, 0.03, 0.005], [0.2, 0.9, 0.6], rng.uniform(0, 0.1, 9).round(4).tolist())],
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, default=float) + "\n")
