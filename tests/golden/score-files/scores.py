"""Writes files of scores as a user of NumPy does, and what is to be found in them.

    python scores.py         needs numpy 2.4, scipy 1.17 and scikit-learn 1.9

`model.npz` and `retrain.npz` hold logits of one model each, `probabilities.npz` the softmax of the first, `model.csv` the same logits as a
table. `unlearned_margins.npy` and `retrained_margins.npy` hold margins of 20 models each, as EasyDUB publishes them.
"""

import json
import pathlib

import numpy as np
from scipy.special import softmax
from scipy.stats import entropy, norm
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

rng = np.random.default_rng(23)
folder = pathlib.Path(__file__).parent
SETS = {"forget": (40, 1.0), "retain": (80, 2.5), "test": (60, 1.0)}


def model(labels, lifts):
    def logits(name):
        z = rng.normal(0, 1, (len(labels[name]), 4))
        z[np.arange(len(z)), labels[name]] += lifts[name]
        return z.astype(np.float32)

    return {name: logits(name) for name in SETS}


labels = {name: rng.integers(0, 4, count) for name, (count, _) in SETS.items()}
ours = model(labels, {name: lift for name, (_, lift) in SETS.items()})
theirs = {name: (z + rng.normal(0, 0.3, z.shape)).astype(np.float32) for name, z in ours.items()}


def arrays(scores, kind="logits"):
    return {f"{name}_{kind}": z for name, z in scores.items()} | {f"{name}_labels": y for name, y in labels.items()}


np.savez(folder / "model.npz", **arrays(ours))
np.savez_compressed(folder / "retrain.npz", **arrays(theirs))
np.savez(folder / "probabilities.npz", **arrays({name: softmax(z.astype(float), axis=1) for name, z in ours.items()}, "probabilities"))
rows = [f"{name},{y},{','.join(map(repr, map(float, z)))}" for name in SETS for y, z in zip(labels[name], ours[name])]
(folder / "model.csv").write_text("set,label,logit_0,logit_1,logit_2,logit_3\n" + "\n".join(rows) + "\n")


def accuracy(scores, name):
    return 100 * (scores[name].argmax(axis=1) == labels[name]).mean()


def efficacy(scores):
    """The paper's attack on the confidence in the true class; members are the first rows of the retain set."""
    of = lambda name: softmax(scores[name].astype(float), axis=1)[np.arange(len(labels[name])), labels[name]][:, None]
    count = len(labels["test"])
    machine = SVC(C=3, gamma="auto", kernel="rbf").fit(np.vstack([of("retain")[:count], of("test")]), np.r_[np.ones(count), np.zeros(count)])
    return 100 * (machine.predict(of("forget")) == 0).mean()


def alone(scores):
    return {"ua": 100 - accuracy(scores, "forget"), "ra": accuracy(scores, "retain"), "ta": accuracy(scores, "test"), "mia_efficacy": efficacy(scores)}


p, q = (softmax(scores["forget"].astype(float), axis=1) for scores in (theirs, ours))
m = (p + q) / 2
figures, beside = alone(ours), alone(theirs)
expected = figures | {
    "avg_gap": np.mean([abs(figures[name] - beside[name]) for name in figures]),
    "kl": entropy(p, q, axis=1).mean(),
    "js": ((entropy(p, m, axis=1) + entropy(q, m, axis=1)) / 2).mean(),
    "agreement": 100 * (p.argmax(axis=1) == q.argmax(axis=1)).mean(),
}

MODELS, SAMPLES = 20, 25
difficulty = rng.normal(1, 2, SAMPLES)
unlearned = rng.normal(difficulty + 0.7, 1, (MODELS, SAMPLES)).astype(np.float32)
retrained = rng.normal(difficulty, 1, (MODELS, SAMPLES)).astype(np.float32)
np.save(folder / "unlearned_margins.npy", unlearned)
np.save(folder / "retrained_margins.npy", np.asfortranarray(retrained))


def klom(u, r):
    u, r = np.clip(u.astype(float), -100, 100), np.clip(r.astype(float), -100, 100)
    edges = np.linspace(min(u.min(), r.min()), max(u.max(), r.max()), 21)
    a, b = (np.histogram(v, bins=edges)[0] / len(v) for v in (u, r))
    return entropy(a, np.clip(b, 1e-5, None))


def u_lira():
    """Every model is attacked with the others; one of the other kind is left out too, so that both sides are as many."""
    positives, negatives = [], []
    for kind, scores, found in ((0, unlearned, positives), (1, retrained, negatives)):
        for attacked in range(MODELS):
            sides = [unlearned.astype(float), retrained.astype(float)]
            sides[kind] = np.delete(sides[kind], attacked, axis=0)
            sides[1 - kind] = sides[1 - kind][1:]
            logs = [norm.logpdf(scores[attacked], side.mean(axis=0), side.std(axis=0, ddof=1)) for side in sides]
            found.extend(logs[0] - logs[1])
    return roc_auc_score(np.r_[np.ones(len(positives)), np.zeros(len(negatives))], positives + negatives)


kloms = [klom(unlearned[:, s], retrained[:, s]) for s in range(SAMPLES)]
golden = {
    "figures": expected,
    "retrain": beside,
    "klom": np.mean(kloms),
    "klom_95": np.percentile(kloms, 95),
    "u-lira": u_lira(),
}
(folder / "scores.json").write_text(json.dumps(golden, indent=1, default=float) + "\n")
