#!/usr/bin/env python3
"""The peer of `smoke.sh`: seconds of one epoch of ResNet-20s in PyTorch on a GPU, on images of the same size.

    python torch_epoch.py --images 8000 --batch 64

The images are random and lie on the GPU, so only the steps are timed, in float32 without TF32 as in `smoke`. The first epoch warms up.
"""
import argparse
import time

import torch
from torch.nn import functional as F

from torch_step import CLASSES, MODELS


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cuda:0")
    args = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    net = MODELS["resnet20s"](1).to(args.device)
    images = torch.rand(args.images, 1, 28, 28, device=args.device)
    labels = torch.randint(CLASSES, (args.images,), device=args.device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    for epoch in range(2):
        start = time.perf_counter()
        total = torch.zeros((), device=args.device)
        for part in torch.randperm(args.images, device=args.device).split(args.batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(images[part]), labels[part])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()  # waits for the GPU
        seconds = time.perf_counter() - start
    print(f"one epoch in PyTorch {torch.__version__}: {seconds:.2f} s, {args.images} random images of the same size")


if __name__ == "__main__":
    main()
