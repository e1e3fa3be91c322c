"""Global magnitude pruning by torch.nn.utils.prune, and the scores of SNIP, GraSP and SynFlow by autograd.

    pip install -r requirements.txt
    python generate.py      # writes pruning.json, weights.f32, snip.f32, grasp.f32 and synflow.f32 beside this file

Weights are drawn here, rounded to f32, and written for the Rust test to read; everything after that is computed in f64.
`*.f32` files are little-endian, the convolutions' weights one after the other; masks are hexadecimal, the first weight in
the least significant bit of the first byte. GraSP's H g is the central difference that the Rust code takes, in f64; how near it
comes to differentiating twice is printed.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import prune

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).parent
CHANNELS, SIDE, CLASSES, PER_CLASS, SPARSITY, ROUNDS = 2, 8, 4, 25, 0.9, 100
MEAN, STD = [0.3, 0.6], [0.5, 0.25]
CONVS = ["conv1", "conv2", "conv3"]


class Net(nn.Module):
    """A stem and one residual block with an option-A shortcut."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(CHANNELS, 6, 3, 1, 1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12)
        self.conv3, self.bn3 = nn.Conv2d(12, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(x)))))
        x = F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 3, 3)))
        return self.fc(x.mean((2, 3)))


def network():
    """He et al.'s initialisation from a seed."""
    net, rng = Net(), np.random.RandomState(7)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if name.startswith("bn"):
                continue
            fan_in = int(np.prod(p.shape[1:])) if p.dim() > 1 else 12
            p.copy_(torch.from_numpy((rng.randn(*p.shape) * np.sqrt(2 / fan_in)).astype(np.float32)))
    return net


def samples():
    """As many images of each class, bytes by a formula, scaled and normalised."""
    count = CLASSES * PER_CLASS
    i = np.arange(count * CHANNELS * SIDE * SIDE, dtype=np.int64)
    images = torch.from_numpy(((i * 31 + i * i // 5) % 256) / 255.0).reshape(count, CHANNELS, SIDE, SIDE)
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(1, -1, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std, torch.arange(count) % CLASSES


def convolutions(net):
    return [getattr(net, name) for name in CONVS]


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors])


def write(name, values):
    values.numpy().astype("<f4").tofile(HERE / name)


def hexadecimal(mask):
    return np.packbits(mask.numpy().astype(bool), bitorder="little").tobytes().hex()


def magnitude_masks(weights, shares):
    """Masks after each of `shares` is pruned of what the ones before left."""
    net = network()
    with torch.no_grad():
        for conv, weight in zip(convolutions(net), weights):
            conv.weight.copy_(weight)
    masks = []
    for share in shares:
        prune.global_unstructured(
            [(conv, "weight") for conv in convolutions(net)], pruning_method=prune.L1Unstructured, amount=share
        )
        masks.append(hexadecimal(flat([conv.weight_mask for conv in convolutions(net)])))
    return masks


def snip(net, images, labels):
    weights = [conv.weight for conv in convolutions(net)]
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    return [(w * g).abs() for w, g in zip(weights, gradients)]


def grasp_exact(net, images, labels):
    """By differentiating twice, which ignores that activations cross ReLU's kink."""
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(F.cross_entropy(net(images) / 200, labels), parameters, create_graph=True)
    product = torch.autograd.grad(sum((g * g.detach()).sum() for g in gradients), parameters)
    products = dict(zip(parameters, product))
    return [conv.weight * products[conv.weight] for conv in convolutions(net)]


def grasp(net, images, labels):
    """By the central difference of the gradient along itself, 0.1 of the parameters' norm to either side."""
    parameters = list(net.parameters())
    original = [p.detach().clone() for p in parameters]

    def gradient_at(epsilon, direction):
        with torch.no_grad():
            for p, start, d in zip(parameters, original, direction):
                p.copy_(start + epsilon * d)
        return torch.autograd.grad(F.cross_entropy(net(images) / 200, labels), parameters)

    gradient = gradient_at(0.0, original)
    epsilon = (0.1 * flat(original).norm() / flat(gradient).norm()).item()
    ahead, behind = gradient_at(epsilon, gradient), gradient_at(-epsilon, gradient)
    gradient_at(0.0, original)
    products = {p: (a - b) / (2 * epsilon) for p, a, b in zip(parameters, ahead, behind)}
    return [conv.weight * products[conv.weight] for conv in convolutions(net)]


def synflow(net, masks):
    net.eval()
    weights = [(conv.weight.detach().abs() * mask).requires_grad_() for conv, mask in zip(convolutions(net), masks)]
    others = {name: t.abs() for name, t in net.state_dict().items() if t.is_floating_point()}
    values = others | {f"{name}.weight": w for name, w in zip(CONVS, weights)}
    ones = torch.ones(1, CHANNELS, SIDE, SIDE, dtype=torch.float64)
    total = torch.func.functional_call(net, values, (ones,)).sum()
    return [(w * g).abs() for w, g in zip(weights, torch.autograd.grad(total, weights))]


def keep_highest(scores, masks, keep):
    """Which of the kept weights have the `keep` highest scores; of equal ones the later stay."""
    values, kept = flat(scores), flat(masks).bool()
    order = torch.argsort(torch.where(kept, values, -1.0), stable=True)
    mask = torch.zeros(values.numel(), dtype=torch.float64)
    mask[order[values.numel() - keep :]] = 1.0
    return mask


def split(mask, net):
    sizes = [conv.weight.numel() for conv in convolutions(net)]
    return [part.reshape(conv.weight.shape) for part, conv in zip(mask.split(sizes), convolutions(net))]


def keep_count(total, density):
    return total - round((1.0 - density) * total)


def main():
    net = network()
    weights = [conv.weight.detach() for conv in convolutions(net)]
    tied = [(w * 8).round() / 8 for w in weights]
    write("weights.f32", torch.cat([flat(weights), flat([net.fc.weight, net.fc.bias])]))
    total = flat(weights).numel()
    shares = [0.5, 0.2, 0.2, 0.75]

    net = net.double()
    images, labels = samples()
    ones = [torch.ones_like(conv.weight) for conv in convolutions(net)]
    masks = {}
    both = torch.stack([flat(scores(net, images, labels)) for scores in (grasp, grasp_exact)])
    print(f"grasp: correlation with differentiating twice {torch.corrcoef(both)[0, 1]:.3f}")
    for name, scores in [("snip", snip(net, images, labels)), ("grasp", grasp(net, images, labels))]:
        write(f"{name}.f32", flat(scores))
        # GraSP's scores may be negative: shift them so that −1 stays below all.
        values = [s.detach() - flat(scores).min() for s in scores]
        masks[name] = hexadecimal(keep_highest(values, ones, keep_count(total, 1 - SPARSITY)))
    # Training mode has moved the running statistics.
    net = network().double()
    write("synflow.f32", flat(synflow(net, ones)))
    current = ones
    for i in range(1, ROUNDS + 1):
        density = (1 - SPARSITY) ** (i / ROUNDS) if i < ROUNDS else 1 - SPARSITY
        mask = keep_highest(synflow(net, current), current, keep_count(total, density))
        current = split(mask, net)
    masks["synflow"] = hexadecimal(mask)

    golden = {
        "torch": torch.__version__.split("+")[0],
        "shares": shares,
        "magnitude": magnitude_masks(weights, shares),
        "magnitude_of_ties": magnitude_masks(tied, shares),
        "sparsity": SPARSITY,
        "masks": masks,
    }
    (HERE / "pruning.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
