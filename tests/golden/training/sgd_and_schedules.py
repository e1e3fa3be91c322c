"""PyTorch's forward pass, gradients, SGD and learning-rate schedules, for the tests of `training` and `network`.

    pip install torch numpy
    python sgd_and_schedules.py        # writes sgd_and_schedules.json beside this file

Weights, images and labels come from formulas that the Rust test repeats, so that no file of inputs is needed.
"""
import json
import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)
CHANNELS, SIDE, CLASSES, BATCH, STEPS = 2, 8, 5, 12, 50


class SmallNet(nn.Module):
    """conv - norm - relu - residual block with an option-A shortcut - pool - linear."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(CHANNELS, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16)
        self.conv3, self.bn3 = nn.Conv2d(16, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x):
        mean, std = torch.tensor([0.3, 0.6], dtype=x.dtype), torch.tensor([0.5, 0.25], dtype=x.dtype)
        x = (x - mean[:, None, None]) / std[:, None, None]
        x = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(x)))))
        x = F.relu(y + F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 4, 4)))
        return self.fc(x.mean((2, 3)))


def wave(count, phase):
    """Values in -1..1 that depend on position and phase alone."""
    i = torch.arange(count, dtype=torch.float64)
    return torch.sin(1.7 * i + 0.3 * i * i / count + phase)


def fresh(dtype):
    net = SmallNet()
    with torch.no_grad():
        for number, (name, parameter) in enumerate(net.named_parameters()):
            values = wave(parameter.numel(), float(number)).float()
            if name.startswith("bn"):
                values = (1 if name.endswith("weight") else 0) + 0.2 * values
            else:
                values = values * 0.3
            parameter.copy_(values.reshape(parameter.shape))
    return net.to(dtype)


def batch(step, dtype):
    images = (0.5 + 0.5 * wave(BATCH * CHANNELS * SIDE * SIDE, 0.01 * step)).float()
    labels = torch.tensor([(7 * i + 3 * step + i * i) % CLASSES for i in range(BATCH)])
    return images.reshape(BATCH, CHANNELS, SIDE, SIDE).to(dtype), labels


def summary(tensors):
    return {name: {"norm": t.norm().item(), "sum": t.sum().item(), "first": t.flatten()[:4].tolist()} for name, t in tensors}


def first_step(dtype=torch.float64):
    net = fresh(dtype)
    images, labels = batch(0, dtype)
    images.requires_grad_()
    logits = net(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    buffers = [(n, b) for n, b in net.named_buffers() if b.dtype.is_floating_point]
    net.eval()
    frozen = net(images)
    parameters = list(net.parameters())
    frozen_gradients = torch.autograd.grad(F.cross_entropy(frozen, labels), parameters)
    return {
        "loss": loss.item(),
        "logits": logits.flatten().tolist(),
        "gradients": summary((n, p.grad) for n, p in net.named_parameters()),
        "input_gradient": summary([("images", images.grad)])["images"],
        "running": summary(buffers),
        "frozen_logits": frozen.flatten().tolist(),
        "frozen_gradients": summary(zip([n for n, _ in net.named_parameters()], frozen_gradients)),
    }


def sgd(nesterov, dtype=torch.float64):
    net = fresh(dtype)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)
    losses = []
    for step in range(STEPS):
        images, labels = batch(step, dtype)
        loss = F.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "parameters": summary(net.named_parameters())}


def schedules(epochs=6, steps=5):
    def run(make, per_step):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler, rates = make(optimizer), []
        for step in range(epochs * steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if per_step or (step + 1) % steps == 0:
                scheduler.step()
        return rates

    s = torch.optim.lr_scheduler
    return {
        "epochs": epochs,
        "steps_per_epoch": steps,
        "multistep": run(lambda o: s.MultiStepLR(o, [2, 4], 0.1), False),
        "cosine": run(lambda o: s.CosineAnnealingLR(o, epochs * steps), True),
        "one-cycle": run(lambda o: s.OneCycleLR(o, 0.1, total_steps=epochs * steps, cycle_momentum=False), True),
    }


if __name__ == "__main__":
    result = {
        "made_by": f"sgd_and_schedules.py, torch {torch.__version__.split('+')[0]}, f64",
        "first_step": first_step(),
        "sgd": {"plain": sgd(False), "nesterov": sgd(True)},
        "schedules": schedules(),
    }
    f32 = {name: sgd(n, torch.float32)["losses"][-1] for name, n in (("plain", False), ("nesterov", True))}
    print({name: abs(f32[name] / result["sgd"][name]["losses"][-1] - 1) for name in f32}, "f32 against f64, last loss")
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")
