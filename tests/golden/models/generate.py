"""torchvision's convolutional families and timm's transformers: tensor names and counts, logits, gradients, one step of SGD, for
the tests of `models` and `network`.

    pip install -r requirements.txt
    python generate.py                 # writes models.json beside this file

Every tensor is a function of its name and position (`uniform`), which the Rust test repeats bit for bit, so that neither
weights nor images are stored. Weights are rounded to f32; all else is computed in f64.
`single_precision_error` is how far PyTorch's own gradients in f32 are from those, relative to each tensor's largest entry.
"""
import copy
import json
import pathlib

import numpy as np
import timm
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from timm.models.swin_transformer import SwinTransformer, SwinTransformerStage
from timm.models.vision_transformer import VisionTransformer

torch.set_num_threads(1)
SAMPLES, STEP_SAMPLES, LR = 2, 4, 0.05
MASK = (1 << 64) - 1
COUNTED = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2"]

# Ours, and timm's name of the same.
TRANSFORMERS = {
    "vit_tiny": "vit_tiny_patch16_224",
    "vit_small": "vit_small_patch16_224",
    "swin_t": "swin_tiny_patch4_window7_224",
}


def fnv1a(text):
    """The 64-bit FNV-1a hash of a text."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state


def bits(name, count):
    """SplitMix64, seeded with the name's hash."""
    z = np.uint64(fnv1a(name)) + np.uint64(0x9E3779B97F4A7C15) * np.arange(1, count + 1, dtype=np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(name, count):
    """Values in 0..1 that depend on the name alone."""
    return (bits(name, count) >> np.uint64(11)).astype(np.float64) / 2.0**53


def values(name, shape):
    """A parameter's or running statistic's values, by its name's end and its shape."""
    u = uniform(name, int(np.prod(shape)))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        v = 0.5 + u
    elif len(shape) > 1:
        v = (2.0 * u - 1.0) * np.sqrt(6.0 / np.prod(shape[1:]))
    else:
        v = 0.2 * (2.0 * u - 1.0)
    return torch.from_numpy(v.astype(np.float32).reshape(shape)).double()


def tensors(net):
    """Name and tensor of all that a checkpoint of ours holds."""
    return [(n, t) for n, t in net.state_dict().items() if not n.endswith("num_batches_tracked")]


def set_values(net):
    with torch.no_grad():
        for name, tensor in tensors(net):
            tensor.copy_(values(name, tuple(tensor.shape)))


def cifar_resnet18():
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return net


class Vgg(nn.Module):
    """torchvision's features; a head for small images."""

    def __init__(self, classes, lth):
        super().__init__()
        self.features = torchvision.models.vgg16_bn().features
        hidden = [nn.Linear(512, 512), nn.ReLU(), nn.Identity(), nn.Linear(512, 512), nn.ReLU(), nn.Identity()]
        self.classifier = nn.Linear(512, classes) if lth else nn.Sequential(*hidden, nn.Linear(512, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def small_vit(name):
    """timm's, for patches of 4 of images of 32."""
    features, heads = {"vit_tiny": (192, 3), "vit_small": (384, 6)}[name]
    return VisionTransformer(img_size=32, patch_size=4, embed_dim=features, num_heads=heads, num_classes=10)


class Reduction(nn.Module):
    """timm's merging of patches, of one patch each: it doubles the features alone."""

    def __init__(self, features):
        super().__init__()
        self.norm, self.reduction = nn.LayerNorm(features), nn.Linear(features, 2 * features, bias=False)

    def forward(self, x):
        return self.reduction(self.norm(x))


def small_swin():
    """timm's Swin-T for images of 32: patches of 2, windows of 4, a last stage that keeps the resolution."""
    net = SwinTransformer(img_size=32, patch_size=2, window_size=4, num_classes=10, drop_path_rate=0.0)
    last = SwinTransformerStage(768, 768, (4, 4), 2, downsample=False, num_heads=24, window_size=4)
    last.downsample = Reduction(384)
    net.layers[3] = last
    return net


def described(net):
    """Number of trainable values, and the hash of all names and shapes."""
    lines = sorted(f"{name}{list(tensor.shape)}\n" for name, tensor in tensors(net))
    return {"parameters": sum(p.numel() for p in net.parameters()), "tensors": f"{fnv1a(''.join(lines)):016x}"}


def short(value):
    return float(f"{float(value):.9g}")


def sampled(name, tensor, count):
    """Entries at positions that depend on the name."""
    flat = tensor.flatten()
    return [short(flat[int(b % np.uint64(flat.numel()))]) for b in bits(f"{name}, samples", count)]


def gradients_of(net, images, labels):
    net.train()
    F.cross_entropy(net(images), labels).backward()
    return {name: p.grad for name, p in net.named_parameters()}


def case(arch, net, side, batch, step):
    set_values(net.double())
    images = torch.from_numpy(uniform("images", batch * 3 * side * side).astype(np.float32)).double()
    images = images.reshape(batch, 3, side, side)
    labels = torch.from_numpy((bits("labels", batch) % np.uint64(10)).astype(np.int64))
    normalized = (images - 0.5) / 0.25
    single = gradients_of(copy.deepcopy(net).float(), normalized.float(), labels)
    net.eval()
    with torch.no_grad():
        evaluated = [short(v) for v in net(normalized).flatten()]
    net.train()
    logits = net(normalized)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    largest = max(p.grad.abs().max() for p in net.parameters())
    # A bias before a normalisation has no gradient to be near to.
    real = [(n, p.grad) for n, p in net.named_parameters() if p.grad.abs().max() > 1e-9 * largest]
    errors = [((single[name].double() - g).abs().max() / g.abs().max()).item() for name, g in real]
    gradients = {
        name: [short(p.grad.norm()), short(p.grad.abs().max()), *sampled(name, p.grad, SAMPLES)]
        for name, p in net.named_parameters()
    }
    result = {
        "arch": arch,
        "side": side,
        "batch": batch,
        "loss": short(loss.detach()),
        "evaluated_logits": evaluated,
        "logits": [short(v) for v in logits.detach().flatten()],
        "single_precision_error": short(max(errors)),
        "gradients": gradients,
    }
    if step:
        torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4).step()
        result["updated"] = {name: sampled(name, p.detach(), STEP_SAMPLES) for name, p in net.named_parameters()}
    return result


def main():
    counts = {name: described(getattr(torchvision.models, name)()) for name in COUNTED}
    counts["vgg16_bn"], counts["vgg16_bn_lth"] = described(Vgg(1000, False)), described(Vgg(1000, True))
    for ours, theirs in TRANSFORMERS.items():
        counts[ours] = described(timm.create_model(theirs))
    cases = [
        case("resnet18", cifar_resnet18(), 32, 8, True),
        case("resnext50_32x4d", torchvision.models.resnext50_32x4d(num_classes=10), 96, 4, False),
        case("wide_resnet50_2", torchvision.models.wide_resnet50_2(num_classes=10), 96, 4, False),
        case("vgg16_bn", Vgg(10, False), 32, 8, False),
        case("vit_tiny", small_vit("vit_tiny"), 32, 2, True),
        case("swin_t", small_swin(), 32, 2, True),
        case("swin_t", timm.create_model(TRANSFORMERS["swin_t"], num_classes=10, drop_path_rate=0.0), 224, 1, False),
    ]
    versions = {"torchvision": torchvision.__version__.split("+")[0], "timm": timm.__version__}
    golden = {**versions, "architectures": counts, "lr": LR, "cases": cases}
    path = pathlib.Path(__file__).with_name("models.json")
    path.write_text(json.dumps(golden, separators=(",", ":")).replace('],"', '],\n"') + "\n")


main()
