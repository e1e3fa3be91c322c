"""Small files of PyTorch's in every shape that `torch-files` reads, and some it must refuse, for its tests.

    pip install -r requirements.txt
    python generate.py                 # writes *.pth and expected.json beside this file

`expected.json` holds, for each file that can be read, each tensor's element type, shape and bytes in row-major order.
In the legacy format, PyTorch names storages by their addresses: those files differ from run to run.
"""
import argparse
import collections
import io
import json
import os
import pathlib

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils import prune

HERE = pathlib.Path(__file__).parent
expected = {}


def contiguous_bytes(tensor):
    tensor = tensor.detach().contiguous()
    return tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def described(tensors):
    return {
        name: {
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "shape": list(tensor.shape),
            "bytes": contiguous_bytes(tensor).hex(),
        }
        for name, tensor in tensors.items()
    }


def save(name, object, tensors=None, **options):
    # Through memory, so that the archive's folder does not depend on where this script runs.
    buffer = io.BytesIO()
    torch.save(object, buffer, **options)
    (HERE / name).write_bytes(buffer.getvalue())
    if tensors is not None:
        expected[name] = described(tensors)


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5]))
        self.register_buffer("std", torch.tensor([0.25]))

    def forward(self, x):
        return (x - self.mean) / self.std


class Net(nn.Module):
    """Convolution, normalisation and a linear layer, with the images' normalisation inside."""

    def __init__(self):
        super().__init__()
        self.normalize = Normalize()
        self.conv1 = nn.Conv2d(1, 3, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(3)
        self.fc = nn.Linear(3, 2)


def dtypes():
    values = torch.tensor([-1.5, 0.0, 2.0**-20, 3.25])
    real = {str(d).removeprefix("torch."): values.to(d) for d in (torch.float64, torch.float32, torch.float16, torch.bfloat16)}
    whole = {
        str(d).removeprefix("torch."): torch.tensor([-3, 0, 100], dtype=d)
        for d in (torch.int64, torch.int32, torch.int16, torch.int8)
    }
    return real | whole | {"uint8": torch.tensor([0, 255], dtype=torch.uint8), "bool": torch.tensor([True, False, True])}


def views():
    base = torch.arange(24, dtype=torch.float32)
    square = base.reshape(4, 6)
    return {
        "whole": base,
        "transposed": square.t(),
        "columns": square[:, 1::2],
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "offset": base[7:12],
        "scalar": base[5],
        "empty": base[:0],
    }


class Block(nn.Module):
    """Two 3×3 convolutions; the shortcut has no tensors."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs)


class ResNet8s(nn.Module):
    """The tensors of `resnet8s`; it is saved and never run."""

    def __init__(self):
        super().__init__()
        self.normalize = Normalize()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 3, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32))
        self.layer3 = nn.Sequential(Block(32, 64))
        self.fc = nn.Linear(64, 10)


def resnet8s():
    """Half precision, trained in parallel, its first and last layer pruned. Value i of each tensor is a function of i."""
    net = ResNet8s().half()
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if not name.startswith("normalize") and tensor.is_floating_point():
                i = torch.arange(tensor.numel())
                values = ((i * 7919 % 1009 - 504) / 512).reshape(tensor.shape)
                # A variance is not negative.
                tensor.copy_(values.abs() if name.endswith("running_var") else values)
    for layer in (net.conv1, net.fc):
        i = torch.arange(layer.weight.numel())
        prune.custom_from_mask(layer, "weight", (i % 4 == 1).reshape(layer.weight.shape))
    return nn.DataParallel(net)


def normed():
    """A convolution and a linear layer under weight normalisation, as PyTorch writes it today and as it did before."""
    with torch.no_grad():
        conv, fc = nn.Conv2d(2, 3, 3, bias=False), nn.Linear(4, 5)
        torch.nn.utils.parametrizations.weight_norm(conv)
        torch.nn.utils.weight_norm(fc, dim=1)
        conv.parametrizations.weight.original0.mul_(torch.tensor([0.5, 1.0, 3.0]).reshape(3, 1, 1, 1))
        fc.weight_g.mul_(1.5)
        tensors = {"conv." + name: tensor for name, tensor in conv.state_dict().items()}
        tensors |= {"fc." + name: tensor for name, tensor in fc.state_dict().items()}
        fc(torch.zeros(1, 4))
        return tensors, {"conv.weight": conv.weight, "fc.weight": fc.weight}


class RunsACommand:
    def __reduce__(self):
        return (os.system, ("echo this file ran a command",))


def main():
    torch.manual_seed(1)
    net = Net()
    save("zip.pth", net.state_dict(), net.state_dict())
    save("legacy-protocol4.pth", net.state_dict(), net.state_dict(), _use_new_zipfile_serialization=False, pickle_protocol=4)
    # What scripts save beside the weights: of none of it a value is needed.
    beside = {
        "args": argparse.Namespace(lr=0.1, milestones=[91, 136]),
        "log": collections.defaultdict(list, {"loss": [1.0]}),
        "confusion": np.zeros((2, 2)),
        "rng": np.random.RandomState(1).get_state(),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "path": pathlib.PosixPath("runs"),
    }
    save("companions.pth", {"net": net.state_dict(), **beside}, net.state_dict())
    save("legacy.pth", net.state_dict(), net.state_dict(), _use_new_zipfile_serialization=False)
    save("protocol4.pth", net.state_dict(), net.state_dict(), pickle_protocol=4)
    save("dtypes.pth", dtypes(), dtypes())
    save("dtypes-legacy.pth", dtypes(), dtypes(), _use_new_zipfile_serialization=False)
    save("views.pth", views(), views())
    save("views-legacy.pth", views(), views(), _use_new_zipfile_serialization=False)
    save("parameters.pth", dict(net.named_parameters()), dict(net.named_parameters()))

    # As a training script saves a pruned model: with its optimiser, its schedule and the accuracies so far.
    for layer, mask in ((net.conv1, torch.arange(27) % 3 == 0), (net.fc, torch.arange(6) % 2 == 0)):
        prune.custom_from_mask(layer, "weight", mask.reshape(layer.weight.shape))
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    net.bn1(net.conv1(torch.ones(2, 1, 3, 3))).mean().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[91, 136])
    checkpoint = {
        "state": 1,
        "result": {"train_ta": [90.5], "test_ta": [np.float64(88.25), np.float32(88.5)]},
        "epoch": 182,
        "state_dict": net.state_dict(),
        "best_sa": np.mean([88.25, 88.5]),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "init_weight": collections.OrderedDict(net.state_dict()),
    }
    save("pruned.pth.tar", checkpoint, net.state_dict())

    save("resnet8s.pth.tar", {"epoch": 1, "state_dict": resnet8s().state_dict()})
    save("hostile.pth", {"state_dict": net.state_dict(), "extra": RunsACommand()})
    save("hostile-legacy.pth", RunsACommand(), _use_new_zipfile_serialization=False)
    save("module.pth", net)
    save("expanded.pth", {"x": torch.zeros(1).expand(1 << 20)})
    stored, computed = normed()
    save("normed.pth", stored)
    (HERE / "normed.json").write_text(json.dumps({k: v.flatten().tolist() for k, v in computed.items()}) + "\n")
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


main()
