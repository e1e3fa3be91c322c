"""What torchvision's RandAugment makes of two pictures, by each of its operations, at four strengths and with both signs.

Writes rand_augment_rgb.npy, [1 + 14 · 4 · 2, 3, 14, 18], and rand_augment_grey.npy, [1 + 14 · 4 · 2, 1, 13, 15]: the picture, then
for each operation in the order below, each strength, and plus before minus, what it becomes.

    pip install numpy==2.4.6 pillow==13.0.0 torch==2.15.0 torchvision==0.29.2 && python rand_augment.py
"""

from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import RandAugment, _apply_op

OPERATIONS = [
    "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness",
    "Posterize", "Solarize", "AutoContrast", "Equalize",
]
STRENGTHS = [1, 9, 18, 30]


def picture(channels, height, width):
    """Slopes and waves of each channel's own, with all values from dark to bright but the very ends."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for channel in range(channels):
        wave = np.sin(x * (0.5 + 0.2 * channel)) + np.cos(y * (0.4 + 0.3 * channel)) + 0.05 * x * (channel - 1)
        planes.append(20 + 200 * (wave - wave.min()) / (wave.max() - wave.min()))
    return np.stack(planes).astype(np.uint8)


def image(planes):
    return Image.fromarray(planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0))


def planes_of(image):
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


for name, shape in [("rgb", (3, 14, 18)), ("grey", (1, 13, 15))]:
    source = picture(*shape)
    space = RandAugment()._augmentation_space(31, shape[1:])
    assert sorted(space) == sorted(OPERATIONS)
    results = [source]
    for operation in OPERATIONS:
        magnitudes, signed = space[operation]
        for strength in STRENGTHS:
            magnitude = float(magnitudes[strength].item()) if magnitudes.ndim > 0 else 0.0
            for sign in [1.0, -1.0]:
                level = magnitude * sign if signed else magnitude
                made = _apply_op(image(source), operation, level, interpolation=InterpolationMode.NEAREST, fill=None)
                results.append(planes_of(made))
    np.save(Path(__file__).parent / f"rand_augment_{name}.npy", np.stack(results))
