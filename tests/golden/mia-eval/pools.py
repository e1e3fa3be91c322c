"""Writes the golden values of the attacks with a pool of models: a second implementation of each, from the papers.

    python pools.py          needs numpy 2.4 and scipy 1.17

Scores are synthetic. The log-odds of a sample are normal around a difficulty of its own; training with it adds to them, and
unlearning takes part of that back. `few` has too few models for a variance of its own for every sample, `many` has enough.
"""

import json
import pathlib

import numpy as np
from scipy.special import expit
from scipy.stats import entropy, gaussian_kde, norm

rng = np.random.default_rng(18)
NEVER, TRAINED, UNLEARNED = 0, 1, 2


def pool(models, samples, population):
    """A third of the models had each of the three of every sample; the last row of scores is the attacked model's."""
    seen = np.stack([rng.permutation(np.arange(models) % 3) for _ in range(samples)], axis=1)
    truth = rng.integers(0, 3, samples)
    difficulty, spread = rng.normal(1, 2, samples), rng.uniform(0.4, 1.6, samples)
    lift = np.array([0.0, 2.0, 0.8])
    phi = (difficulty + lift[np.vstack([seen, truth])] + spread * rng.normal(0, 1, (models + 1, samples))).round(3)
    z = rng.normal(1, 2.2, (models + 1, population)).round(3)
    return seen, truth, phi, z


def groups(seen, phi, sample, kind):
    return phi[:-1][seen[:, sample] == kind, sample]


def variances(seen, phi, kind, own):
    by_sample = [groups(seen, phi, s, kind) for s in range(phi.shape[1])]
    shared = sum(((g - g.mean()) ** 2).sum() for g in by_sample) / sum(len(g) - 1 for g in by_sample)
    return [g.var(ddof=1) if own else shared for g in by_sample]


def gaussian(seen, phi, positive, negative, own):
    found = np.zeros(phi.shape[1])
    for kind, sign in ((positive, 1), (negative, -1)):
        for s, variance in enumerate(variances(seen, phi, kind, own)):
            found[s] += sign * norm.logpdf(phi[-1, s], groups(seen, phi, s, kind).mean(), np.sqrt(variance))
    return found


def offline(seen, phi, own):
    variance = variances(seen, phi, NEVER, own)
    return [(phi[-1, s] - groups(seen, phi, s, NEVER).mean()) / np.sqrt(v) for s, v in enumerate(variance)]


def kernel(seen, phi, positive, negative):
    """With a variance of its own for every sample, it is SciPy's."""
    of = lambda s, kind: gaussian_kde(groups(seen, phi, s, kind)).logpdf(phi[-1, s])[0]
    return [of(s, positive) - of(s, negative) for s in range(phi.shape[1])]


def kernel_shared(seen, phi, positive, negative):
    found = np.zeros(phi.shape[1])
    for kind, sign in ((positive, 1), (negative, -1)):
        for s, variance in enumerate(variances(seen, phi, kind, own=False)):
            group = groups(seen, phi, s, kind)
            found[s] += sign * np.log(norm.pdf(phi[-1, s], group, np.sqrt(variance) * len(group) ** -0.2).mean())
    return found


def rmia(p_x, mean_x, p_z, mean_z, gamma):
    return ((p_x / mean_x)[:, None] / (p_z / mean_z)[None, :] >= gamma).mean(axis=1)


def rmia_online(seen, phi, z, gamma):
    p, q = expit(phi), expit(z)
    mean = lambda s, kind: p[:-1][seen[:, s] == kind, s].mean()
    mean_x = np.array([(mean(s, TRAINED) + mean(s, NEVER)) / 2 for s in range(phi.shape[1])])
    return rmia(p[-1], mean_x, q[-1], q[:-1].mean(axis=0), gamma)


def rmia_offline(seen, phi, z, a, gamma):
    p, q = expit(phi), expit(z)
    out = np.array([p[:-1][seen[:, s] == NEVER, s].mean() for s in range(phi.shape[1])])
    estimate = lambda mean: (1 + a) / 2 * mean + (1 - a) / 2
    return rmia(p[-1], estimate(out), q[-1], estimate(q[:-1].mean(axis=0)), gamma)


def calibrated(seen, phi, z, gamma):
    """The a of greatest mean AUC over attacks on the first eight models, each with the others."""
    best = (-1, None)
    for tenths in range(11):
        areas = []
        for model in range(8):
            others = np.delete(np.arange(len(seen)), model)
            order = np.r_[others, model]
            score = rmia_offline(seen[others], phi[:-1][order], z[:-1][order], tenths / 10, gamma)
            x, y = score[seen[model] == TRAINED], score[seen[model] == NEVER]
            areas.append(((x[:, None] > y) + 0.5 * (x[:, None] == y)).mean())
        if np.mean(areas) > best[0] + 1e-15:
            best = (np.mean(areas), tenths / 10)
    return best[1]


def attacks(models, samples, population, own):
    seen, truth, phi, z = pool(models, samples, population)
    shape = {"models": models, "samples": samples, "population": population}
    data = {"seen": seen.ravel().tolist(), "truth": truth.tolist(), "scores": phi[:-1].ravel().tolist()}
    data |= {"target": phi[-1].tolist(), "z": z[:-1].ravel().tolist(), "z_target": z[-1].tolist()}
    kde = kernel if own else kernel_shared
    return shape | data | {
        "lira": gaussian(seen, phi, TRAINED, NEVER, own).tolist(),
        "lira-offline": list(offline(seen, phi, own)),
        "u-lira": gaussian(seen, phi, UNLEARNED, NEVER, own).tolist(),
        "ruli-efficacy": list(kde(seen, phi, UNLEARNED, NEVER)),
        "ruli-privacy": list(kde(seen, phi, TRAINED, NEVER)),
        "rmia": rmia_online(seen, phi, z, 2.0).tolist(),
        "rmia-offline": rmia_offline(seen, phi, z, 0.3, 2.0).tolist(),
        "calibrated": calibrated(seen, phi, z, 2.0),
    }


def klom(unlearned, retrained):
    u, r = np.clip(unlearned, -100, 100), np.clip(retrained, -100, 100)
    edges = np.linspace(min(u.min(), r.min()), max(u.max(), r.max()), 21)
    p, q = (np.histogram(v, bins=edges)[0] / len(v) for v in (u, r))
    return entropy(p, np.clip(q, 1e-5, None))


def epsilon(unlearned, retrained, delta=1e-5):
    """Every interval between two scores, and its complement, as a test."""
    ranges = np.ptp(unlearned), np.ptp(retrained)
    if ranges[0] < 0.01 * ranges[1] or ranges[1] < 0.01 * ranges[0]:
        return 50.0
    scores = np.unique(np.r_[unlearned, retrained])
    found = [0.0]
    for i in range(len(scores)):
        for j in range(i, len(scores)):
            within = lambda v: (v >= scores[i]) & (v <= scores[j])
            for calls in (within, lambda v: ~within(v)):
                fnr, fpr = 1 - calls(unlearned).mean(), calls(retrained).mean()
                fnr, fpr = round(fnr, 12), round(fpr, 12)
                if fnr == 0 and fpr == 0:
                    found.append(50.0)
                elif fnr > 0 and fpr > 0:
                    if 1 - delta - fpr > 0:
                        found.append(np.log(1 - delta - fpr) - np.log(fnr))
                    if 1 - delta - fnr > 0:
                        found.append(np.log(1 - delta - fnr) - np.log(fpr))
    return min(50.0, max(found))


def points(epsilons, models):
    steps = np.arange(np.ceil(np.log(models - 1) / 0.5)) * 0.5
    return (2.0 / 2.0 ** np.digitize(epsilons, steps)).mean()


def comparison(models, samples):
    """The last three samples: far apart, beyond the cut, and equal."""
    retrained = rng.normal(2, 1.5, (models, samples)).round(2)
    unlearned = (rng.normal(2, 1.5, (models, samples)) + rng.exponential(0.6, samples)).round(2)
    unlearned[:, -3] += 30
    unlearned[:, -2] *= 200
    unlearned[:, -1] = retrained[:, -1] = 1.25
    kloms = [klom(unlearned[:, s], retrained[:, s]) for s in range(samples - 1)] + [0.0]
    epsilons = [epsilon(unlearned[:, s], retrained[:, s]) for s in range(samples)]
    even, odd = (retrained[first::2][: models // 2] for first in (0, 1))
    few = unlearned[: models // 2]
    floors = [klom(even[:, s], odd[:, s]) for s in range(samples - 1)] + [0.0]
    beside = [klom(few[:, s], even[:, s]) for s in range(samples - 1)] + [0.0]
    return {
        "models": models,
        "samples": samples,
        "unlearned": unlearned.ravel().tolist(),
        "retrained": retrained.ravel().tolist(),
        "klom": {"per_sample": kloms, "value": np.mean(kloms), "percentile_95": np.percentile(kloms, 95), "floor": np.mean(floors), "beside": np.mean(beside)},
        "forget-quality": {
            "per_sample": epsilons,
            "value": points(epsilons, models),
            "percentile_95": np.percentile(epsilons, 95),
            "floor": points([epsilon(even[:, s], odd[:, s]) for s in range(samples)], models // 2),
            "beside": points([epsilon(few[:, s], even[:, s]) for s in range(samples)], models // 2),
        },
    }


golden = {"few": attacks(18, 24, 40, own=False), "many": attacks(51, 16, 30, own=True), "comparison": [comparison(40, 9), comparison(9, 12)]}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, default=float) + "\n")
