"""Fisher forgetting, influence unlearning and selective synaptic dampening from one gradient at a time, in f64.

    pip install -r requirements.txt
    python generate.py      # writes the *.f32 files beside this one

Values of the network, its mask and the samples follow formulas that the Rust test has as well. Every file holds one
little-endian f32 for each value of each parameter, in the network's order; pruned weights have 0.
"""
import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent
CHANNELS, SIDE, CLASSES, COUNT, BATCH = 2, 8, 4, 60, 32
MEAN, STD = [0.3, 0.6], [0.5, 0.25]
ALPHA, SAMPLE_ALPHA, FORGOTTEN_CLASS = 1e-4, 1e-8, 1
DAMPENING_ALPHA, DAMPENING_LAMBDA = 1.5, 0.8
WOOD_FISHER_N = 1000


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


def wave(count, phase):
    i = torch.arange(count, dtype=torch.float64)
    return torch.sin(1.7 * i + 0.3 * i * i / count + phase).float().double()


def mask_of(p):
    kept = torch.ones(p.shape)
    return kept if p.dim() != 4 else (torch.arange(p.numel()) * 7919 % 10 >= 6).double().reshape(p.shape)


def network():
    net = Net().eval()
    with torch.no_grad():
        for number, (name, p) in enumerate(net.named_parameters()):
            values = wave(p.numel(), number).reshape(p.shape)
            if name.startswith("bn"):
                p.copy_(0.2 * values + (1.0 if name.endswith("weight") else 0.0))
            else:
                p.copy_((1.0 if name.startswith("fc") else 0.5) * values * mask_of(p))
        for number, bn in enumerate((net.bn1, net.bn2, net.bn3)):
            bn.running_mean.copy_(0.1 * wave(bn.running_mean.numel(), 20 + number))
            bn.running_var.copy_(1.0 + 0.5 * wave(bn.running_var.numel(), 30 + number))
    return net


def samples():
    i = torch.arange(COUNT * CHANNELS * SIDE * SIDE)
    images = ((i * 31 + i * i // 5) % 256 / 255.0).reshape(COUNT, CHANNELS, SIDE, SIDE)
    mean, std = (torch.tensor(v).reshape(1, -1, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std, torch.arange(COUNT) % CLASSES


net = network()
parameters = list(net.parameters())
masks = torch.cat([mask_of(p).flatten() for p in parameters])
images, labels = samples()


def flat(tensors):
    return torch.cat([t.detach().flatten() for t in tensors])


def write(name, values):
    values.numpy().astype("<f4").tofile(HERE / f"{name}.f32")


def gradient(positions, targets):
    """Of the mean loss."""
    return flat(torch.autograd.grad(F.cross_entropy(net(images[positions]), targets), parameters)) * masks


def expected_per_sample(positions):
    total = torch.zeros_like(masks)
    for n in positions:
        probabilities = F.softmax(net(images[[n]]).detach()[0], 0)
        for y in range(CLASSES):
            total += probabilities[y] * gradient([n], torch.tensor([y])) ** 2
    return total / len(positions)


def expected_batch_mean(positions):
    batches = [positions[i : i + BATCH] for i in range(0, len(positions), BATCH)]
    total = torch.zeros_like(masks)
    for batch in batches:
        probabilities = F.softmax(net(images[batch]).detach(), 1)
        for y in range(CLASSES):
            total += probabilities[:, y].mean() * gradient(batch, torch.full((len(batch),), y)) ** 2
    return total / len(batches)


def empirical(positions):
    return sum(gradient([n], labels[[n]]) ** 2 for n in positions) / len(positions)


def split(row):
    return [v.reshape(p.shape) for v, p in zip(row.split([p.numel() for p in parameters]), parameters)]


def forgetting_variance(fisher, over_kept):
    variances = []
    for f, p in zip(split(fisher), parameters):
        is_head = p is net.fc.weight or p is net.fc.bias
        variance = ALPHA * (1 / (f + 1e-8)).clamp(max=1e2 if is_head else 1e3)
        if p.dim() > 1:
            weight = mask_of(p) if over_kept else torch.ones(p.shape)
            mean = (variance * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
            variance = mean.expand_as(p).clone()
        if is_head:
            variance[FORGOTTEN_CLASS] = 1e-4
        variances.append(variance * (10 if is_head or p.dim() == 1 else 1))
    return flat(variances) * masks


def sample_variance(fisher):
    scales = [10.0 if p is net.fc.weight or p is net.fc.bias else 1.0 for p in parameters]
    deviations = [s * (SAMPLE_ALPHA / f).sqrt().clamp(max=1e-3) for s, f in zip(scales, split(fisher))]
    return flat(deviations) ** 2 * masks


def wood_fisher(u, positions):
    k, o = u.clone(), None
    for n in positions:
        g = gradient([n], labels[[n]])
        if o is None:
            o = g.clone()
            continue
        along = o @ g
        k -= (k @ g) / (WOOD_FISHER_N + along) * o
        o -= along / (WOOD_FISHER_N + along) * o
    return k


def main():
    everything = range(COUNT)
    forget, retain = [n for n in everything if n % 5 == 0], [n for n in everything if n % 5 != 0]
    per_sample = expected_per_sample(retain)
    write("expected_per_sample", per_sample)
    write("expected_batch_mean", expected_batch_mean(retain))

    rows = torch.stack([gradient([n], labels[[n]]) for n in everything])
    total, share = len(everything), len(forget) / (len(everything) * len(retain))
    u = rows[forget].sum(0) / total - share * rows[retain].sum(0)
    hessian = torch.eye(u.numel()) + rows[retain].T @ rows[retain] / len(retain)
    solution = torch.linalg.solve(hessian, u)
    write("removal_gradient", u)
    write("newton_step", solution)
    write("wood_fisher", wood_fisher(u, retain))
    largest = torch.linalg.eigvalsh(hessian)[-1].item()
    cosine = torch.cosine_similarity(u, solution, 0).item()
    print(f"largest eigenvalue {largest:.2f}, |step|/|u| {(solution.norm() / u.norm()).item():.3f}, cosine {cosine:.3f}")

    of_forget, of_all = empirical(forget), empirical(everything)
    dampened = (DAMPENING_LAMBDA * of_all / of_forget).clamp(max=1)
    chosen = of_forget > DAMPENING_ALPHA * of_all
    print(f"{chosen.sum().item()} of {chosen.numel()} values dampened")
    write("dampened", torch.where(chosen, flat(parameters) * dampened, flat(parameters)))

    without_class = [n for n in everything if labels[n] != FORGOTTEN_CLASS]
    write("forgetting_variance", forgetting_variance(expected_per_sample(without_class), True))
    write("forgetting_variance_compat", forgetting_variance(expected_batch_mean(without_class), False))
    fisher = empirical(without_class)
    print(f"{(fisher > SAMPLE_ALPHA / 1e-6).double().mean().item():.2f} of values below the bound of noise")
    write("sample_variance", sample_variance(fisher))


main()
