#!/usr/bin/env python3
"""The peer of `cargo xtask bench peer`: the same training step and evaluation pass in PyTorch, on the CPU.

    pip install -r requirements.txt
    python torch_step.py --model resnet20s --batch 128 --density 0.05 --threads 2

A density below 1 masks every convolution through torch.nn.utils.prune, as the code of arXiv 2304.04934 does: either the
same share everywhere, drawn at random (`--mask uniform`), or the least magnitudes of all layers together (`--mask global`).
Both memory layouts are timed, and the better figure of each is the peer's. Prints one line of JSON.
"""
import argparse
import json
import resource
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

SIDE, CHANNELS, CLASSES, WARM_UPS = 32, 3, 10, 2
LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def conv(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class PaddedShortcut(nn.Module):
    """Option A of He et al.: every second pixel, and zero channels on both sides."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.stride, self.padding = stride, (outputs - inputs) // 2

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.padding, self.padding))


def projected_shortcut(inputs, outputs, stride):
    """Option B of He et al.: a 1×1 convolution with its normalisation."""
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, shortcut):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        changes_shape = stride != 1 or inputs != outputs
        self.shortcut = shortcut(inputs, outputs, stride) if changes_shape else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)


def resnet(widths, blocks, shortcut):
    """A residual network of basic blocks whose stem keeps the resolution, as small images ask for."""
    layers, inputs = [conv(CHANNELS, widths[0], 3), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)], widths[0]
    for stage, outputs in enumerate(widths):
        for block in range(blocks):
            layers.append(BasicBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1, shortcut))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


MODELS = {
    "resnet20s": lambda: resnet([16, 32, 64], 3, PaddedShortcut),
    "resnet18": lambda: resnet([64, 128, 256, 512], 2, projected_shortcut),
}


def put_mask(net, kind, density):
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if kind == "global":
        weights = [(module, "weight") for module in convolutions]
        prune.global_unstructured(weights, prune.L1Unstructured, amount=1 - density)
    else:
        for module in convolutions:
            prune.random_unstructured(module, "weight", amount=1 - density)


def median_ms(steps, body):
    times = []
    for _ in range(WARM_UPS + steps):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[WARM_UPS:])


def measure(args, layout):
    """Milliseconds of a training step and of an evaluation pass."""
    torch.manual_seed(args.seed)
    net = MODELS[args.model]()
    if args.density < 1:
        put_mask(net, args.mask, args.density)
    net = net.to(memory_format=layout)
    images = torch.rand(args.batch, CHANNELS, SIDE, SIDE).sub(0.5).div(0.25).contiguous(memory_format=layout)
    labels = torch.randint(CLASSES, (args.batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def half_precision():
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16)

    def train():
        optimizer.zero_grad()
        with half_precision():
            loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()

    def evaluate():
        with torch.no_grad(), half_precision():
            net(images)

    train_ms = median_ms(args.steps, train)
    net.eval()
    return train_ms, median_ms(args.steps, evaluate)


def at_least_one(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def share(text):
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{value} does not lie in (0, 1]")
    return value


def peak_rss_mib():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="resnet20s", choices=MODELS)
    parser.add_argument("--batch", type=at_least_one, default=128)
    parser.add_argument("--density", type=share, default=1.0)
    parser.add_argument("--mask", default="uniform", choices=["uniform", "global"])
    parser.add_argument("--threads", type=at_least_one, default=torch.get_num_threads())
    parser.add_argument("--steps", type=at_least_one, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    by_layout = {name: measure(args, layout) for name, layout in LAYOUTS.items()}
    train_ms, eval_ms = (min(times) for times in zip(*by_layout.values()))
    print(
        json.dumps(
            {
                "peer": f"torch {torch.__version__}",
                "model": args.model,
                "batch": args.batch,
                "density": args.density,
                "mask": args.mask if args.density < 1 else None,
                "threads": args.threads,
                "dtype": "bf16" if args.bf16 else "f32",
                "train_ms": train_ms,
                "eval_ms": eval_ms,
                "train_img_per_s": 1e3 * args.batch / train_ms,
                "eval_img_per_s": 1e3 * args.batch / eval_ms,
                "by_layout_ms": by_layout,
                "peak_rss_mib": peak_rss_mib(),
            }
        )
    )


if __name__ == "__main__":
    main()
