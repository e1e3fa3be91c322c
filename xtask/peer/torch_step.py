#!/usr/bin/env python3
"""The peer of `cargo xtask bench peer`: the same training step and evaluation pass in PyTorch, on the CPU.

    pip install -r requirements.txt
    python torch_step.py --model resnet20s --batch 128 --density 0.05 --threads 2

A density below 1 masks every convolution, and every linear layer of a transformer but the classifier, through
torch.nn.utils.prune, as the code of arXiv 2304.04934 does: either the same share everywhere, drawn at random (`--mask uniform`), or the least magnitudes of all layers together (`--mask global`).
`--mask FILE` applies a mask file of this workspace instead (crates/masks/src/file.rs); modules have the names of its tensors.
`--backend sparseprop` puts SparseProp's sparse layers (arXiv 2302.04852) where it finds them faster than PyTorch's.
Both memory layouts are timed, and the better figure of each is the peer's. Prints one line of JSON.
"""
import argparse
import contextlib
import importlib.metadata
import json
import resource
import statistics
import sys
import time
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

CLASSES, WARM_UPS = 10, 2
SMALL_IMAGE = 64  # for larger images, resnet18 has another stem
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
        self.downsample = shortcut(inputs, outputs, stride) if changes_shape else nn.Identity()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x), inplace=True)


def resnet(channels, widths, blocks, shortcut):
    """A residual network of basic blocks whose stem keeps the resolution, for small images."""
    inputs = widths[0]
    layers = OrderedDict(conv1=conv(channels, inputs, 3), bn1=nn.BatchNorm2d(inputs), relu=nn.ReLU(inplace=True))
    for stage, outputs in enumerate(widths):
        layer = []
        for block in range(blocks):
            layer.append(BasicBlock(inputs, outputs, 2 if stage > 0 and block == 0 else 1, shortcut))
            inputs = outputs
        layers[f"layer{stage + 1}"] = nn.Sequential(*layer)
    layers.update(avgpool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(inputs, CLASSES))
    return nn.Sequential(layers)


def vit(features, heads):
    """timm's vision transformer, for patches of 4 of images of 32."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(img_size=32, patch_size=4, embed_dim=features, num_heads=heads, num_classes=CLASSES)


class Reduction(nn.Module):
    """timm's merging of patches, of one patch each: it doubles the features alone."""

    def __init__(self, features):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(features), nn.Linear(features, 2 * features, bias=False)

    def forward(self, x):
        return self.reduction(self.norm(x))


def swin():
    """timm's Swin-T for images of 32: patches of 2, windows of 4, a last stage that keeps the resolution."""
    from timm.models.swin_transformer import SwinTransformer, SwinTransformerStage

    net = SwinTransformer(img_size=32, patch_size=2, window_size=4, num_classes=CLASSES, drop_path_rate=0.0)
    last = SwinTransformerStage(768, 768, (4, 4), 2, downsample=False, num_heads=24, window_size=4)
    last.downsample = Reduction(384)
    net.layers[3] = last
    return net


TRANSFORMERS = {
    "vit_tiny": lambda: vit(192, 3),
    "vit_small": lambda: vit(384, 6),
    "swin_t": swin,
}
MODELS = {
    "resnet8s": lambda channels: resnet(channels, [16, 32, 64], 1, PaddedShortcut),
    "resnet20s": lambda channels: resnet(channels, [16, 32, 64], 3, PaddedShortcut),
    "resnet18": lambda channels: resnet(channels, [64, 128, 256, 512], 2, projected_shortcut),
    **{name: lambda channels, make=make: make() for name, make in TRANSFORMERS.items()},
}


def read_mask(path, model):
    """The kept weights by the name of their tensor, from a mask file for `model`."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    about = json.loads(header.pop("__metadata__")["unlearn"])
    if (about["kind"], about["format"], about["architecture"]) != ("mask", 1, model):
        sys.exit(f"{path}: a {about['kind']} of format {about['format']} for {about['architecture']}, not a mask for {model}")
    kept = {}
    for name, shape in about["shapes"].items():
        start, end = header[name]["data_offsets"]
        packed = torch.frombuffer(bytearray(data[start:end]), dtype=torch.uint8)
        bits = (packed[:, None] >> torch.arange(8, dtype=torch.uint8)) & 1  # least significant bit first
        kept[name] = bits.flatten()[: torch.Size(shape).numel()].reshape(shape)
    return kept


def put_mask(net, mask, density):
    """Masks the layers before the classifier and gives back the share of their weights that is kept."""
    layers = net.named_modules()
    kinds = nn.Conv2d, *([nn.Linear] if hasattr(net, "blocks") or hasattr(net, "layers") else [])
    masked = {
        f"{name}.weight": module for name, module in layers if isinstance(module, kinds) and not name.startswith("head")
    }
    if isinstance(mask, dict):
        if not mask.keys() <= masked.keys():
            sys.exit(f"the mask covers {sorted(mask.keys() - masked.keys())}, which are no masked layers of this model")
        for name, kept in mask.items():
            module = masked[name]
            if module.weight.shape != kept.shape:
                sys.exit(f"{name} has shape {[*kept.shape]} in the mask, {[*module.weight.shape]} here; see --input")
            prune.custom_from_mask(module, "weight", kept)
    elif density < 1 and mask == "global":
        weights = [(module, "weight") for module in masked.values()]
        prune.global_unstructured(weights, prune.L1Unstructured, amount=1 - density)
    elif density < 1:
        for module in masked.values():
            prune.random_unstructured(module, "weight", amount=1 - density)
    weights = sum(module.weight.numel() for module in masked.values())
    pruned = sum((module.weight_mask == 0).sum().item() for module in masked.values() if prune.is_pruned(module))
    return (weights - pruned) / weights


def median_ms(steps, body):
    times = []
    for _ in range(WARM_UPS + steps):
        start = time.perf_counter()
        body()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times[WARM_UPS:])


def with_sparse_layers(net, args):
    """The same network, with those layers of SparseProp that it measures to be faster than PyTorch's."""
    from sparseprop.utils import swap_modules_with_sparse

    for module in net.modules():
        if prune.is_pruned(module) and hasattr(module, "weight_mask"):
            prune.remove(module, "weight")
    with contextlib.redirect_stdout(sys.stderr):
        return swap_modules_with_sparse(net, (args.batch, *args.input))


def measure(args, layout):
    """Milliseconds of a training step and of an evaluation pass, and the share of weights kept."""
    torch.manual_seed(args.seed)
    net = MODELS[args.model](args.input[0])
    density = put_mask(net, args.mask, args.density)
    if args.backend == "sparseprop":
        net = with_sparse_layers(net, args)
    net = net.to(memory_format=layout)
    images = torch.rand(args.batch, *args.input).sub(0.5).div(0.25).contiguous(memory_format=layout)
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
    return train_ms, median_ms(args.steps, evaluate), density


def at_least_one(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def image_shape(text):
    channels, height, width = (at_least_one(size) for size in text.split(","))
    return channels, height, width


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
    parser.add_argument("--input", type=image_shape, default=(3, 32, 32), metavar="C,H,W")
    parser.add_argument("--batch", type=at_least_one, default=128)
    parser.add_argument("--density", type=share, default=1.0)
    parser.add_argument("--mask", default="uniform", metavar="uniform|global|FILE")
    parser.add_argument("--threads", type=at_least_one, default=torch.get_num_threads())
    parser.add_argument("--steps", type=at_least_one, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--backend", default="torch", choices=["torch", "sparseprop"])
    parser.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    args = parser.parse_args()
    if max(args.input[1:]) > SMALL_IMAGE:
        parser.error(f"--input: the models here are those for images of at most {SMALL_IMAGE} pixels a side")
    if args.model in TRANSFORMERS and args.input != (3, 32, 32):
        parser.error("--input: the transformers here are those for images of 3,32,32")
    if args.mask not in ("uniform", "global"):
        if args.density != 1:
            parser.error("a mask file has its own density; leave out --density")
        args.mask = read_mask(args.mask, args.model)
    torch.set_num_threads(args.threads)

    by_layout, version = {}, f"torch {torch.__version__}"
    if args.backend == "sparseprop":  # its kernels read one layout
        LAYOUTS.pop("channels_last")
        version = f"sparseprop {importlib.metadata.version('sparseprop')} on {version}"
    for name, layout in LAYOUTS.items():
        *by_layout[name], density = measure(args, layout)
    train_ms, eval_ms = (min(times) for times in zip(*by_layout.values()))
    print(
        json.dumps(
            {
                "peer": version,
                "model": args.model,
                "batch": args.batch,
                "density": density,
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
