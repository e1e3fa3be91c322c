"""Writes the golden data of `unlearn-backdoor`: triggered images, drawn positions, and what detectors find.

    python generate.py       needs the packages of requirements.txt

- `images.u8`: images [count, channels, height, width] of several shapes, one after the other.
- `triggered.u8`: the same images with a trigger, one case of `backdoor.json` after the other. Patches and sinusoids are
  NumPy's, pasted and resized pictures Pillow's, and warps are made by PyTorch's `interpolate` and `grid_sample` in f64.
- `features.f32`: features [samples, dims] for the detectors (little-endian).
- `backdoor.json`: the cases, the drawn positions, and what scikit-learn and NumPy find in the features.
"""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

HERE = pathlib.Path(__file__).parent


def to_bytes(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def make_images(shape, seed):
    """A noise image and a smooth one."""
    channels, height, width = shape
    noise = np.frombuffer(np.random.RandomState(seed).bytes(channels * height * width), np.uint8).reshape(shape)
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    smooth = 127.5 + 120 * np.sin(x / 3.1 + c) * np.cos(y / 4.3 - c)
    return np.stack([noise, to_bytes(smooth.transpose(2, 0, 1))])


# Pictures [height, width, channels].
def make_picture(height, width, channels, seed):
    return np.random.RandomState(seed).randint(0, 256, (height, width, channels)).astype(np.uint8)


PICTURES = {
    "grey": make_picture(4, 6, 1, 1),
    "grey-alpha": make_picture(5, 3, 2, 2),
    "colour": make_picture(6, 4, 3, 3),
    "colour-alpha": make_picture(4, 5, 4, 4),
}


def planes_of(picture, channels):
    """The picture as planes for images of that many channels, without its opacity."""
    if picture.shape[2] >= 3:
        colour = Image.fromarray(picture[:, :, :3], "RGB")
        if channels == 1:
            return [colour.convert("L")]
        assert channels == 3
        return list(colour.split())
    return [Image.fromarray(picture[:, :, 0], "L")] * channels


def patch(images, size=4, value=0, margin=2):
    images = images.copy()
    height, width = images.shape[2:]
    images[:, :, height - margin - size : height - margin, width - margin - size : width - margin] = value
    return images


def blend(images, alpha=0.2, seed=0, picture=None):
    channels, height, width = images.shape[1:]
    if picture is None:
        pattern = np.random.RandomState(seed).bytes(channels * height * width)
        pattern = np.frombuffer(pattern, np.uint8).reshape(channels, height, width)
    else:
        resized = PICTURES[picture]
        mode = "RGB" if resized.shape[2] == 3 else "L"
        resized = Image.fromarray(resized if mode == "RGB" else resized[:, :, 0], mode)
        resized = np.asarray(resized.resize((width, height), Image.Resampling.BILINEAR))
        resized = resized.reshape(height, width, -1)
        pattern = np.stack([np.asarray(plane) for plane in planes_of(resized, channels)])
    return to_bytes((1.0 - alpha) * images.astype(np.float64) + alpha * pattern.astype(np.float64))


def sig(images, amplitude=20.0, frequency=6.0):
    width = images.shape[3]
    wave = amplitude * np.sin(2 * np.pi * np.arange(1, width + 1) * frequency / width)
    return to_bytes(images.astype(np.float64) + wave)


def warp(images, strength=0.5, grid=4, seed=0):
    height, width = images.shape[2:]
    offsets = torch.from_numpy(np.random.RandomState(seed).uniform(-1, 1, (1, 2, grid, grid)))
    offsets = offsets / offsets.abs().mean()
    field = torch.nn.functional.interpolate(offsets, size=(height, width), mode="bicubic", align_corners=True)
    field = field.permute(0, 2, 3, 1)
    rows = torch.linspace(-1, 1, height, dtype=torch.float64)
    columns = torch.linspace(-1, 1, width, dtype=torch.float64)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    identity = torch.stack((x, y), 2)[None]
    sides = torch.tensor([width, height], dtype=torch.float64)
    places = torch.clamp(identity + strength * field / sides, -1, 1).repeat(len(images), 1, 1, 1)
    values = torch.nn.functional.grid_sample(
        torch.from_numpy(images.astype(np.float64)), places, mode="bilinear", align_corners=True
    )
    return to_bytes(values.numpy())


def paste(images, picture, corner="bottom-right", margin=2):
    picture = PICTURES[picture]
    rows, columns, channels = picture.shape
    height, width = images.shape[2:]
    left = margin if corner.endswith("left") else width - margin - columns
    top = margin if corner.startswith("top") else height - margin - rows
    mask = Image.fromarray(picture[:, :, -1], "L") if channels in (2, 4) else None
    pasted = []
    for image in images:
        planes = []
        for plane, over in zip(image, planes_of(picture, len(image))):
            plane = Image.fromarray(plane, "L")
            plane.paste(over, (left, top), mask)
            planes.append(np.asarray(plane))
        pasted.append(np.stack(planes))
    return np.stack(pasted)


TRIGGERS = {"patch": patch, "blend": blend, "sig": sig, "warp": warp, "image": paste}

SHAPES = [[1, 28, 28], [3, 16, 24], [5, 11, 13]]
CASES = [
    ("patch", {}, None),
    ("patch", {"size": 3, "value": 255, "margin": 0}, None),
    ("blend", {}, None),
    ("blend", {"alpha": 0.35, "seed": 7}, None),
    ("blend", {"alpha": 0.1}, "grey"),
    ("blend", {}, "colour"),
    ("sig", {}, None),
    ("sig", {"amplitude": 40.0, "frequency": 2.5}, None),
    ("warp", {}, None),
    ("warp", {"strength": 2.0, "grid": 3, "seed": 11}, None),
    ("warp", {"grid": 8, "seed": 4294967295}, None),
    ("image", {}, "grey"),
    ("image", {"corner": "top-left", "margin": 0}, "grey-alpha"),
    ("image", {"corner": "top-right"}, "colour"),
    ("image", {"corner": "bottom-left", "margin": 1}, "colour-alpha"),
]


def write_triggered():
    images, triggered, cases = [], [], []
    sets = [make_images(shape, 100 + i) for i, shape in enumerate(SHAPES)]
    for these in sets:
        images.append(these.tobytes())
    for name, settings, picture in CASES:
        for number, these in enumerate(sets):
            in_colour = picture is not None and PICTURES[picture].shape[2] >= 3
            if in_colour and these.shape[1] not in (1, 3):
                continue
            if name == "sig" and 2 * settings.get("frequency", 6.0) >= these.shape[3]:
                continue
            arguments = dict(settings) if picture is None else {**settings, "picture": picture}
            triggered.append(TRIGGERS[name](these, **arguments).tobytes())
            cases.append({"trigger": name, "settings": settings, "picture": picture, "set": number})
    (HERE / "images.u8").write_bytes(b"".join(images))
    (HERE / "triggered.u8").write_bytes(b"".join(triggered))
    pictures = {
        name: {"sides": list(picture.shape[:2]), "channels": picture.shape[2], "pixels": picture.ravel().tolist()}
        for name, picture in PICTURES.items()
    }
    return {"shapes": SHAPES, "count": 2, "pictures": pictures, "cases": cases}


def draw(seed, labels, target, poison, count):
    """Positions as the code of arXiv 2304.04934 draws them: a split with `seed`, then a choice with `seed - 1`."""
    rng = np.random.RandomState(seed)
    held_out = []
    for label in range(labels.max() + 1):
        members = np.where(labels == label)[0]
        held_out.append(rng.choice(members, int(0.1 * len(members)), replace=False))
    candidates = np.setdiff1d(np.arange(len(labels)), np.hstack(held_out))
    if poison == "dirty-label":
        candidates = candidates[labels[candidates] != target]
    elif poison == "clean-label":
        candidates = candidates[labels[candidates] == target]
    return np.sort(np.random.RandomState(seed - 1).choice(candidates, count, replace=False)).tolist()


def write_positions():
    images = 1003
    labels = np.array([(i * 7 + i // 13) % 10 for i in range(images)])
    split = images - sum(int(0.1 * (labels == label).sum()) for label in range(10))
    cases = []
    for seed, target, poison, amount in [
        (2, 0, "dirty-label", {"count": 90}),
        (2, 0, "dirty-label-compat", {"fraction": 0.1}),
        (2, 3, "clean-label", {"count": 41}),
        (1, 9, "dirty-label", {"fraction": 0.05}),
        (4294967296 - 1, 5, "dirty-label-compat", {"count": 7}),
    ]:
        count = amount.get("count") or int(np.floor(amount["fraction"] * split + 0.5))
        positions = draw(seed, labels, target, poison, count)
        cases.append({"seed": seed, "target": target, "labels": poison, "amount": amount, "positions": positions})
    return {"images": images, "cases": cases}


def cluster(values, components, largest_share, least_silhouette):
    """Rows of the smaller cluster if it is suspicious, its share, and the silhouette."""
    reduced = PCA(min(components, *values.shape), svd_solver="full").fit_transform(values)
    # One start from the two sides of each component; the least sum of squares wins.
    best = None
    for column in reduced.T:
        side = column > 0
        means = np.stack([reduced[~side].mean(axis=0), reduced[side].mean(axis=0)])
        fitted = KMeans(2, init=means, n_init=1, tol=0).fit(reduced)
        if best is None or fitted.inertia_ < best.inertia_ * (1 - 1e-9):
            best = fitted
    labels = best.labels_
    # These starts are as good as ten random ones.
    assert best.inertia_ <= 1.002 * KMeans(2, n_init=10, random_state=0).fit(reduced).inertia_
    sizes = np.bincount(labels, minlength=2)
    smaller = 1 - labels[0] if sizes[0] == sizes[1] else int(np.argmin(sizes))
    share = sizes[smaller] / len(labels)
    silhouette = silhouette_score(reduced, labels)
    suspicious = share <= largest_share and silhouette >= least_silhouette
    return np.where(labels == smaller)[0] if suspicious else np.array([], int), share, silhouette


def spectral(values, expected, multiplier):
    """Suspicious rows, the highest score, and the lowest suspicious one."""
    centred = values - values.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    scores = (centred @ directions[0]) ** 2
    order = np.argsort(-scores, kind="stable")
    count = int(multiplier * expected * len(values))
    return order[:count], scores[order[0]], scores[order[count - 1]]


def write_detections():
    rng = np.random.RandomState(5)
    dims, sizes = 16, [60, 71, 80, 64]
    mixing = rng.normal(size=(dims, dims)) * 0.9 ** np.arange(dims)[:, None]
    values, labels, poison = [], [], []
    for label, size in enumerate(sizes):
        rows = rng.normal(size=(size, dims)) @ mixing + rng.normal(size=dims) * 4
        poisoned = np.zeros(size, bool)
        if label == 1:
            poisoned[rng.choice(size, 16, replace=False)] = True
            rows[poisoned] += rng.normal(size=dims) * 4
        if label == 3:
            rows[: size // 2] += rng.normal(size=dims) * 4
        values.append(rows)
        labels += [label] * size
        poison.append(poisoned)
    order = rng.permutation(len(labels))
    values = np.concatenate(values)[order].astype(np.float32)
    labels = np.array(labels)[order]
    poison = np.concatenate(poison)[order]
    positions = 3 * np.arange(len(labels)) + 1
    values.tofile(HERE / "features.f32")
    cases = []
    for detector, settings in [
        ("activation-clustering", {}),
        ("activation-clustering", {"components": 2}),
        ("activation-clustering", {"largest-share": 0.5, "least-silhouette": -1.0}),
        ("activation-clustering", {"components": 40, "largest-share": 0.5, "least-silhouette": 0.25}),
        ("spectral-signatures", {}),
        ("spectral-signatures", {"expected": 0.3, "multiplier": 1.0}),
    ]:
        suspicious, statistics = [], []
        for label in range(len(sizes)):
            rows = np.where(labels == label)[0]
            of_class = values[rows].astype(np.float64)
            if detector == "activation-clustering":
                found, *numbers = cluster(
                    of_class,
                    settings.get("components", 10),
                    settings.get("largest-share", 0.35),
                    settings.get("least-silhouette", 0.1),
                )
            else:
                found, *numbers = spectral(of_class, settings.get("expected", 0.1), settings.get("multiplier", 1.5))
            suspicious += positions[rows[found]].tolist()
            statistics.append([float(number) for number in numbers])
        cases.append(
            {"detector": detector, "settings": settings, "suspicious": sorted(suspicious), "statistics": statistics}
        )
    return {
        "dims": dims,
        "labels": labels.tolist(),
        "positions": positions.tolist(),
        "poison": positions[poison].tolist(),
        "cases": cases,
    }


if __name__ == "__main__":
    contents = {"triggered": write_triggered(), "positions": write_positions(), "detections": write_detections()}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in contents.items())
    (HERE / "backdoor.json").write_text("{" + lines + "}\n")
