"""PyTorch's Adam and AdamW, for the tests of `training`.

    pip install torch numpy
    python adam.py        # writes adam.json beside this file

Gradients are sines of the step and the position, repeated by the Rust test; those of the fourth value are small, so that the
normalisation by their size shows.
"""
import json
import math
import pathlib

import torch

STEPS = 12


def steps(optimizer):
    theta = [torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([1.0, -0.5, 0.25], [2.0, 0.0])]
    optimizer, seen = optimizer(theta, lr=0.05, weight_decay=0.1), []
    for step in range(1, STEPS + 1):
        slopes = [math.sin(0.9 * step + 1.3 * i) for i in range(5)]
        slopes[3] *= 1e-3
        theta[0].grad, theta[1].grad = (torch.tensor(part, dtype=torch.float64) for part in (slopes[:3], slopes[3:]))
        optimizer.step()
        seen.append(torch.cat(theta).tolist())
    return seen


if __name__ == "__main__":
    result = {
        "made_by": f"adam.py, torch {torch.__version__.split('+')[0]}, f64",
        "adam": steps(torch.optim.Adam),
        "adamw": steps(torch.optim.AdamW),
    }
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
