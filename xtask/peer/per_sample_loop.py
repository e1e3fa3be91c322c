#!/usr/bin/env python3
"""The peer of `crates/unlearning/examples/fisher.rs`: Fisher information and influence in PyTorch, one gradient at a time.

    pip install -r requirements.txt
    python per_sample_loop.py --fisher-samples 16 --influence-samples 1000 --density 0.05 --threads 2

The Fisher information sums p(y|x)·(∂ ln p(y|x)/∂θ)² over all classes. The influence collects N gradients at the
kept weights, forms their N×N Gram matrix in f64 and solves by Cholesky factorisation.
"""
import argparse
import time

import torch
from torch.nn import functional as F
from torch_step import CLASSES, MODELS, at_least_one, put_mask, share

SHAPE = (1, 28, 28)
COLUMNS = 16384  # columns of the gradients that are converted to f64 at a time


def fisher(net, parameters, images):
    total = [torch.zeros_like(p) for p in parameters]
    for image in images.split(1):
        logs = F.log_softmax(net(image), 1)[0]
        probabilities = logs.detach().exp()
        for y in range(CLASSES):
            gradients = torch.autograd.grad(logs[y], parameters, retain_graph=y + 1 < CLASSES)
            for sums, gradient in zip(total, gradients):
                sums += probabilities[y] * gradient**2
    return [sums / len(images) for sums in total]


def influence(net, parameters, kept, images, labels):
    rows = torch.empty(len(images), kept.numel())
    for row, image, label in zip(rows, images.split(1), labels.split(1)):
        gradients = torch.autograd.grad(F.cross_entropy(net(image), label), parameters)
        row.copy_(torch.cat([gradient.flatten() for gradient in gradients])[kept])
    collected = time.perf_counter()
    u = rows.mean(0).double()
    gram = len(rows) * torch.eye(len(rows), dtype=torch.float64)
    along = torch.zeros(len(rows), dtype=torch.float64)
    for block, part in zip(rows.split(COLUMNS, 1), u.split(COLUMNS)):
        block = block.double()
        gram += block @ block.T
        along += block @ part
    weights = torch.cholesky_solve(along[:, None], torch.linalg.cholesky(gram))[:, 0]
    taken = [block.double().T @ weights for block in rows.split(COLUMNS, 1)]
    return u - torch.cat(taken), collected


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fisher-samples", type=at_least_one, default=16)
    parser.add_argument("--influence-samples", type=at_least_one, default=1000)
    parser.add_argument("--density", type=share, default=1.0)
    parser.add_argument("--threads", type=at_least_one, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    net = MODELS["resnet20s"](SHAPE[0])
    put_mask(net, "uniform", args.density)
    net.eval()
    parameters = list(net.parameters())
    masks = dict(net.named_buffers())
    kept = [masks.get(name.replace("_orig", "_mask"), torch.ones_like(p)) for name, p in net.named_parameters()]
    kept = torch.cat([mask.flatten() for mask in kept]).nonzero()[:, 0]
    count = max(args.fisher_samples, args.influence_samples)
    images, labels = torch.rand(count, *SHAPE), torch.randint(CLASSES, (count,))

    fisher(net, parameters, images[:2])
    start = time.perf_counter()
    fisher(net, parameters, images[: args.fisher_samples])
    each = 1e3 * (time.perf_counter() - start) / args.fisher_samples
    print(f"fisher: {each:.2f} ms a sample, {args.fisher_samples} samples")

    count = args.influence_samples
    start = time.perf_counter()
    _, collected = influence(net, parameters, kept, images[:count], labels[:count])
    end = time.perf_counter()
    print(f"influence: {end - start:.2f} s, {count} samples, of which gradients {collected - start:.2f} s")


main()
