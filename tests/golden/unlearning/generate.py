"""Unlearning methods in PyTorch, in f64, for the tests of `unlearning`.

    pip install -r requirements.txt
    python generate.py        # writes cases.json and updates.f32 beside this file

Every method starts from the same weights, which a formula gives, and sees each of its sets as one batch, so that order and
batching are not in question. What is random the Rust side draws: `fresh.f32` and `fresh-wide.f32` hold fresh weights of the
network and of the one with a fifth output, `noise.f32` the normal noise that `unsir` starts from. A test checks that it still
draws the same, and one that is ignored writes these files.

`updates.f32` holds, for each case of cases.json, what the method has added to the parameters and then to the running statistics
from where it started: the original model, or fresh weights.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
CHANNELS, SIDE, WIDTH, COUNT = 2, 8, 4, 40
VALIDATION = range(32, 40)
FORGET = [i for i in range(32) if i % 8 in (3, 6)]
RETAIN = [i for i in range(32) if i % 8 not in (3, 6)]
FORGOTTEN_CLASS = 3
REQUESTS = {
    "samples": {"forget": FORGET, "retain": RETAIN},
    "class": {
        "forget": [i for i in range(32) if i % 4 == FORGOTTEN_CLASS],
        "retain": [i for i in range(32) if i % 4 != FORGOTTEN_CLASS],
    },
}
MEAN, STD = torch.tensor([0.3, 0.6])[:, None, None], torch.tensor([0.5, 0.25])[:, None, None]
MOMENTUM, DECAY = 0.9, 5e-4


class Net(nn.Module):
    """conv - norm - relu - residual block with an option-A shortcut - pool - linear."""

    def __init__(self, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(CHANNELS, WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(WIDTH)
        self.conv2, self.bn2 = nn.Conv2d(WIDTH, 2 * WIDTH, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * WIDTH)
        self.conv3, self.bn3 = nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(2 * WIDTH)
        self.fc = nn.Linear(2 * WIDTH, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1((x - MEAN) / STD)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(x)))))
        half = WIDTH // 2
        x = F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half)))
        return self.fc(x.mean((2, 3)))

    def values(self):
        """Parameters, then running statistics."""
        return list(self.parameters()) + [b for b in self.buffers() if b.dtype.is_floating_point]


def wave(count, phase):
    """Values in -1..1 that depend on position and phase alone."""
    i = torch.arange(count)
    return torch.sin(1.7 * i + 0.3 * i * i / count + phase)


def original(classes):
    """The model that is to forget."""
    net = Net(classes)
    with torch.no_grad():
        for number, (name, parameter) in enumerate(net.named_parameters()):
            values = wave(parameter.numel(), float(number)).float().double()
            offset, scale = (0, 0.3) if name[:2] != "bn" else (1, 0.2) if name.endswith("weight") else (0, 0.2)
            parameter.copy_((offset + scale * values).float().double().reshape(parameter.shape))
        statistics = [(n, b) for n, b in net.named_buffers() if b.dtype.is_floating_point]
        for number, (name, buffer) in enumerate(statistics):
            values = 0.2 * wave(buffer.numel(), 50.0 + number).float().double()
            buffer.copy_(((1 if name.endswith("var") else 0) + values).float().double())
    return net


def floats(name):
    return torch.from_numpy(np.fromfile(HERE / name, "<f4").astype(np.float64))


def fresh(name, classes):
    """A model with the values of a file, and statistics that have seen nothing."""
    net, values = Net(classes), floats(name)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(values[: parameter.numel()].reshape(parameter.shape))
            values = values[parameter.numel() :]
    assert len(values) == 0
    return net


def samples(positions, classes):
    i = np.arange(COUNT * CHANNELS * SIDE * SIDE, dtype=np.int64)
    images = torch.from_numpy(((i * 31 + i * i // 5) % 256) / 255.0).reshape(COUNT, CHANNELS, SIDE, SIDE)
    return images[positions], torch.tensor(positions) % classes


def sgd(net, config):
    return torch.optim.SGD(net.parameters(), lr=config["lr"], momentum=MOMENTUM, weight_decay=DECAY)


def descend(net, optimizer, loss, steps, after=lambda step: None):
    """`loss(step)` is computed in training mode and descended, `after(step)` comes after each step."""
    net.train()
    for step in range(steps):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
        after(step)
    return net


def minimise(net, config, loss, after=lambda step: None):
    return descend(net, sgd(net, config), loss, config["epochs"], after)


def entropy(net, positions, classes, sign=1.0, smoothing=0.0):
    images, labels = samples(positions, classes)
    return lambda step: sign * F.cross_entropy(net(images), labels, label_smoothing=smoothing)


def l1(net):
    return sum(p.abs().sum() for p in net.parameters())


def falling(config, step):
    return config["gamma"] * (1 - step / config["epochs"])


def divergence(teacher, student, temperature):
    log_p = F.log_softmax(teacher / temperature, 1)
    log_q = F.log_softmax(student / temperature, 1)
    return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def answers(net, images):
    net.eval()
    with torch.no_grad():
        return net(images)


def ft(net, config, classes):
    return minimise(net, config, entropy(net, RETAIN, classes))


def ga(net, config, classes):
    return minimise(net, config, entropy(net, FORGET, classes, -1.0))


def ga_l1(net, config, classes):
    ascent = entropy(net, FORGET, classes, -1.0)
    return minimise(net, config, lambda step: ascent(step) + config["gamma"] * l1(net))


def l1_sparse(net, config, classes):
    descent = entropy(net, RETAIN, classes)
    return minimise(net, config, lambda step: descent(step) + falling(config, step) * l1(net))


def l1_prox(net, config, classes):

    def threshold(step):
        with torch.no_grad():
            for conv in (net.conv1, net.conv2, net.conv3):
                conv.weight.copy_(F.softshrink(conv.weight, config["lr"] * falling(config, step)))

    return minimise(net, config, entropy(net, RETAIN, classes), threshold)


def ft_prune(net, config, classes):
    convolutions, optimizer = [net.conv1.weight, net.conv2.weight, net.conv3.weight], sgd(net, config)
    descent, points = entropy(net, RETAIN, classes), (config["epochs"] - 1) // config["every"]

    def prune(step):
        point, between = divmod(step + 1, config["every"])
        if between or point > points:
            return
        sizes = torch.cat([c.detach().abs().flatten() for c in convolutions]).sort().values
        least = sizes[round((1 - (1 - config["sparsity"]) ** (point / points)) * len(sizes))]
        for weight in convolutions:
            kept = weight.detach().abs() >= least
            weight.register_hook(lambda gradient, kept=kept: gradient * kept)
            with torch.no_grad():
                weight.mul_(kept)
                optimizer.state[weight]["momentum_buffer"].mul_(kept)

    return descend(net, optimizer, lambda step: descent(step) + config["gamma"] * l1(net), config["epochs"], prune)


def retrain_ls(net, config, classes):
    return minimise(net, config, entropy(net, RETAIN, classes, smoothing=config["label-smoothing"]))


def retrain_sam(net, config, classes):
    optimizer, loss = sgd(net, config), entropy(net, RETAIN, classes)
    parameters, statistics = list(net.parameters()), [b for b in net.buffers()]
    net.train()
    for step in range(config["epochs"]):
        gradients = torch.autograd.grad(loss(step), parameters)
        start, seen = [p.detach().clone() for p in parameters], [b.clone() for b in statistics]
        norm = torch.sqrt(sum((g * g).sum() for g in gradients))
        with torch.no_grad():
            for p, g in zip(parameters, gradients):
                p.add_(config["rho"] * g / norm)
        optimizer.zero_grad()
        loss(step).backward()
        with torch.no_grad():
            for p, s in zip(parameters, start):
                p.copy_(s)
            for b, s in zip(statistics, seen):
                b.copy_(s)
        optimizer.step()
    return net


def wrong_labels(net):
    """Of two classes, the wrong one needs no drawing."""
    (forget, labels), (retain, true) = samples(FORGET, 2), samples(RETAIN, 2)
    images, labels = torch.cat([forget, retain]), torch.cat([1 - labels, true])
    return lambda step: F.cross_entropy(net(images), labels)


def rl(net, config, classes):
    assert classes == 2
    return minimise(net, config, wrong_labels(net))


def salun(net, config, classes):
    assert classes == 2
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(entropy(net.eval(), FORGET, classes)(0), parameters)
    sizes = torch.cat([g.abs().flatten() for g in gradients])
    count = round(config["share"] * sizes.numel())
    least = sizes.sort(descending=True).values[count - 1]
    start = [p.detach().clone() for p in parameters]

    def restore(step):
        with torch.no_grad():
            for p, s, g in zip(parameters, start, gradients):
                p.copy_(torch.where(g.abs() >= least, p, s))

    return minimise(net, config, wrong_labels(net), restore)


def neggrad_plus(net, config, classes):
    beta = config["beta"]
    descent, ascent = entropy(net, RETAIN, classes), entropy(net, FORGET, classes)
    return minimise(net, config, lambda step: beta * descent(step) - (1 - beta) * ascent(step))


def last_stage(net, config, classes):
    """Trains all but the stem, whose statistics stay as well."""
    stem = [net.conv1.weight, net.bn1.weight, net.bn1.bias]
    others = [p for p in net.parameters() if all(p is not s for s in stem)]
    statistics = [b.clone() for b in net.bn1.buffers()]
    optimizer = torch.optim.SGD(others, lr=config["lr"], momentum=MOMENTUM, weight_decay=DECAY)
    descend(net, optimizer, entropy(net, RETAIN, classes), config["epochs"])
    for buffer, before in zip(net.bn1.buffers(), statistics):
        buffer.copy_(before)
    return net


def scrub(net, config, classes):
    teacher, temperature = original(classes), config["temperature"]
    (forget, _), (retain, labels) = samples(FORGET, classes), samples(RETAIN, classes)

    def away(step):
        return -divergence(answers(teacher, forget), net(forget), temperature)

    def beside(step):
        logits = net(retain)
        distance = divergence(answers(teacher, retain), logits, temperature)
        return config["alpha"] * distance + config["gamma"] * F.cross_entropy(logits, labels)

    optimizer = torch.optim.Adam(net.parameters(), lr=config["lr"], weight_decay=DECAY)
    for epoch in range(config["epochs"]):
        if epoch < config["msteps"]:
            descend(net, optimizer, away, 1)
        descend(net, optimizer, beside, 1)
    return net


def bad_teacher(net, config, classes):
    images = torch.cat([samples(FORGET, classes)[0], samples(RETAIN, classes)[0]])
    competent, incompetent = answers(original(classes), images), answers(fresh("fresh.f32", classes), images)
    teacher = torch.cat([incompetent[: len(FORGET)], competent[len(FORGET) :]])
    optimizer = torch.optim.Adam(net.parameters(), lr=config["lr"])
    return descend(net, optimizer, lambda step: divergence(teacher, net(images), config["temperature"]), config["epochs"])


def boundary_shrink(net, config, classes):
    net.eval()
    images, labels = samples(FORGET, classes)
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(net(images), labels), images)
    images = images.detach()
    logits = answers(net, (images + config["epsilon"] * gradient.sign()).clamp(0, 1))
    logits[torch.arange(len(labels)), labels] = -torch.inf
    nearest = logits.argmax(1)
    return minimise(net, config, lambda step: F.cross_entropy(net(images), nearest))


def boundary_expand(net, config, classes):
    wide = fresh("fresh-wide.f32", classes + 1)
    with torch.no_grad():
        for more, values in zip(wide.values(), net.values()):
            more[: len(values)].copy_(values)
    images, _ = samples(FORGET, classes)
    labels = torch.full((len(FORGET),), classes)
    minimise(wide, config, lambda step: F.cross_entropy(wide(images), labels))
    with torch.no_grad():
        for more, values in zip(wide.values(), net.values()):
            values.copy_(more[: len(values)])
    return net


def unsir(net, config, classes):
    (images, labels), noise = samples(REQUESTS["class"]["retain"], classes), floats("noise.f32")
    z = noise.reshape(config["noise-samples"], CHANNELS, SIDE, SIDE).requires_grad_()
    wrong = torch.full((len(z),), FORGOTTEN_CLASS)
    adam = torch.optim.Adam([z], lr=config["noise-lr"])
    net.eval()
    for _ in range(config["noise-steps"]):
        adam.zero_grad()
        error = F.cross_entropy(net(MEAN + STD * z), wrong)
        (config["noise-decay"] * (z * z).sum((1, 2, 3)).mean() - error).backward()
        adam.step()
    noise, copies = ((MEAN + STD * z.detach()).clamp(0, 1) * 255).round() / 255, config["noise-copies"]
    among, targets = torch.cat([images] + copies * [noise]), torch.cat([labels] + copies * [wrong])
    descend(net, sgd(net, {"lr": config["impair-lr"]}), lambda step: F.cross_entropy(net(among), targets), 1)
    return descend(net, sgd(net, {"lr": config["repair-lr"]}), lambda step: F.cross_entropy(net(images), labels), 1)


def anew(classes):
    """Where retraining starts."""
    return fresh("fresh.f32", classes)


def anew_but_for_the_stem(classes):
    net, stem = anew(classes), original(classes)
    net.conv1, net.bn1 = stem.conv1, stem.bn1
    return net


TUNING = {"epochs": 3, "lr": 0.05}
NOISE = {"noise-samples": 6, "noise-steps": 5, "noise-lr": 0.1, "noise-decay": 0.1, "noise-copies": 3}
CASES = [
    ("ft", ft, original, 4, TUNING),
    ("ga", ga, original, 4, TUNING),
    ("ga-l1", ga_l1, original, 4, TUNING | {"gamma": 0.01}),
    ("l1-sparse", l1_sparse, original, 4, TUNING | {"gamma": 0.01}),
    ("l1-prox", l1_prox, original, 4, TUNING | {"gamma": 0.2}),
    ("retrain-ls", retrain_ls, anew, 4, TUNING | {"label-smoothing": 0.1}),
    ("retrain-sam", retrain_sam, anew, 4, TUNING | {"rho": 0.05}),
    ("rl", rl, original, 2, TUNING),
    ("salun", salun, original, 2, TUNING | {"share": 0.5}),
    ("neggrad-plus", neggrad_plus, original, 4, TUNING | {"beta": 0.8}),
    ("cf-k", last_stage, original, 4, TUNING | {"k": 1}),
    ("eu-k", last_stage, anew_but_for_the_stem, 4, TUNING | {"k": 1}),
    ("scrub", scrub, original, 4, TUNING | {"lr": 0.005, "msteps": 2, "alpha": 0.5, "gamma": 1.0, "temperature": 4.0}),
    ("bad-teacher", bad_teacher, original, 4, TUNING | {"lr": 0.005, "temperature": 1.0, "retain-share": 1.0}),
    ("boundary-shrink", boundary_shrink, original, 4, TUNING | {"epsilon": 0.1}),
    ("boundary-expand", boundary_expand, original, 4, TUNING),
    ("ft-prune", ft_prune, original, 4, TUNING | {"epochs": 5, "sparsity": 0.84, "every": 2, "gamma": 0.01}),
    ("unsir", unsir, original, 4, NOISE | {"impair-lr": 0.05, "repair-lr": 0.02}),
]


def main():
    cases, updates = [], []
    for name, method, start, classes, config in CASES:
        pairs = zip(method(start(classes), config, classes).values(), start(classes).values())
        updates.append(torch.cat([(after - before).detach().flatten() for after, before in pairs]))
        request = "class" if method is unsir else "samples"
        cases.append(
            {"method": name, "request": request, "start": start.__name__, "classes": classes, "config": config}
        )
    torch.cat(updates).numpy().astype("<f4").tofile(HERE / "updates.f32")
    golden = {"torch": torch.__version__.split("+")[0], "requests": REQUESTS, "cases": cases}
    (HERE / "cases.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
