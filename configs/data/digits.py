"""Writes digits.npz: scikit-learn's handwritten digits as images of bytes, with a test set.

    pip install numpy==2.4.6 scikit-learn==1.9.1
    python digits.py
"""

import pathlib

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
# The grey values are 0 to 16.
images = np.round(digits.images * (255 / 16)).astype(np.uint8)
labels = digits.target.astype(np.int64)
# The data set has no split of these images. Every third one is a test image here.
test = np.arange(len(labels)) % 3 == 2
np.savez_compressed(
    pathlib.Path(__file__).with_name("digits.npz"),
    x_train=images[~test],
    y_train=labels[~test],
    x_test=images[test],
    y_test=labels[test],
    classes=np.array([str(digit) for digit in range(10)]),
)
