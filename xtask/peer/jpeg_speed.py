#!/usr/bin/env python3
"""The peer of the example `jpeg_speed` of `unlearn-datasets`: JPEG files decoded by Pillow and by torchvision on one thread, in turns
with the example in the same run.

    cargo build --release -p unlearn-datasets --example jpeg_speed
    pip install pillow==13.0.0 torch==2.15.0 torchvision==0.29.2
    python jpeg_speed.py path/of/jpeg_speed [folder of Fashion-MNIST's IDX files]

The files are 128 pictures of 500 × 375 pixels, quality 90, 4:2:0: collages of Fashion-MNIST's training images (MIT licence),
enlarged and tinted, before smooth noise. Prints milliseconds of processor time a picture: the median of the rounds, and the least.
"""
import argparse
import gzip
import io
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg

FILES, WIDTH, HEIGHT, ROUNDS, REPEATS = 128, 500, 375, 11, 4


def smooth(random, scale):
    """Noise of three channels in 0..255, as smooth as `scale` pixels."""
    sides = (HEIGHT // scale + 2, WIDTH // scale + 2, 3)
    noise = Image.fromarray(random.integers(0, 256, sides, np.uint8))
    return np.asarray(noise.resize((WIDTH, HEIGHT), Image.BICUBIC), np.float32)


def collage(random, things):
    picture = 0.6 * smooth(random, 60) + 0.3 * smooth(random, 12) + 0.1 * smooth(random, 3)
    for _ in range(6):
        side = int(random.integers(90, 300))
        thing = Image.fromarray(things[random.integers(len(things))]).resize((side, side), Image.BICUBIC)
        thing = np.asarray(thing, np.float32)[:, :, None] / 255
        top, left = random.integers(0, HEIGHT - side // 2), random.integers(0, WIDTH - side // 2)
        part = picture[top : top + side, left : left + side]
        thing = thing[: part.shape[0], : part.shape[1]]
        colour = random.uniform(40, 255, 3)
        part[:] = np.where(thing > 0.1, thing * colour, part)
    return picture.clip(0, 255).astype(np.uint8)


def write(folder, fashion):
    with gzip.open(fashion / "train-images-idx3-ubyte.gz") as file:
        things = np.frombuffer(file.read()[16 : 16 + 1000 * 784], np.uint8).reshape(-1, 28, 28)
    random = np.random.default_rng(1)
    for number in range(FILES):
        picture = Image.fromarray(collage(random, things))
        picture.save(folder / f"{number:03}.jpg", quality=90, subsampling="4:2:0")


def pillow(files):
    for file in files:
        np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def torchvision(files):
    for file in files:
        decode_jpeg(torch.frombuffer(bytearray(file), dtype=torch.uint8), mode=ImageReadMode.RGB)


def children():
    """Processor time of finished child processes, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("example", type=Path)
    parser.add_argument("fashion", type=Path, nargs="?", default=Path("/usr/share/datasets/fashion-mnist"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), arguments.fashion)
        paths = sorted(Path(folder).iterdir())
        files = [path.read_bytes() for path in paths]
        print(f"{FILES} files of {WIDTH} × {HEIGHT} pixels, {sum(map(len, files)) / FILES / 1000:.1f} kB on average")

        def ours():
            """Time per file, with the process's start and the reading of the files, which take a hundredth of it."""
            start = children()
            subprocess.run([arguments.example, str(REPEATS), *paths], check=True, stdout=subprocess.DEVNULL)
            return (children() - start) * 1000 / FILES / REPEATS

        def timed(decode):
            start = time.thread_time()
            for _ in range(REPEATS):
                decode(files)
            return (time.thread_time() - start) * 1000 / FILES / REPEATS

        peers = {"unlearn": ours, "Pillow": lambda: timed(pillow), "torchvision": lambda: timed(torchvision)}
        times = {name: [] for name in peers}
        for _ in range(ROUNDS + 1):
            for name, peer in peers.items():
                times[name].append(peer())
        for name, rounds in times.items():
            rounds = rounds[1:]
            median, least = statistics.median(rounds), min(rounds)
            print(f"{name}: {median:.2f} ms a picture (median of {ROUNDS} rounds; least {least:.2f})")


main()
