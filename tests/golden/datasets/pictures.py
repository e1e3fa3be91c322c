"""Writes tiny datasets of PNG and JPEG pictures, in the layouts of Hub repositories and image folders, as `.npz` and
packed, and what Pillow, pyarrow and NumPy see in them. The pictures are made up: gradients, discs and a little noise.

    python pictures.py
"""

import io
import json
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent / "pictures"
CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck".split()
FASHION = "T - shirt / top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")


def picture(number, height=32, width=32, grey=False):
    """`[height, width, 3]` bytes, or `[height, width]`."""
    random = np.random.RandomState(number)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = []
    for phase in [0.0, 0.3, 0.7]:
        plane = 0.5 + 0.4 * np.sin(5 * x * (1 + number % 3) + 3 * y + 6 * phase + number)
        center = random.rand(2)
        plane[(y - center[0]) ** 2 + (x - center[1]) ** 2 < 0.04] = phase
        planes.append(plane + 0.05 * random.randn(height, width))
    image = (np.clip(np.stack(planes, -1), 0, 1) * 255).astype(np.uint8)
    return image[..., 0] if grey else image


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, form, **options)
    return file.getvalue()


def pixels(file, colours="RGB"):
    """`[channels, height, width]` as Pillow decodes a file."""
    image = np.asarray(Image.open(io.BytesIO(file)).convert(colours))
    return image[None] if image.ndim == 2 else image.transpose(2, 0, 1)


def summary(images, labels):
    """Images as `[count, channels, height, width]`."""
    images = np.ascontiguousarray(images)
    return {
        "shape": list(images.shape),
        "labels": [int(label) for label in labels],
        "row_16_of_the_first": images[0, :, 16, :].tolist(),
        "crc32": zlib.crc32(images.tobytes()),
    }


def folder(name):
    (HERE / name).mkdir(parents=True, exist_ok=True)
    return HERE / name


def table(path, files, labels, image="image", label="label", names=None, integers=pa.int64(), **options):
    pictures = [{"bytes": file, "path": f"{i}.png"} for i, file in enumerate(files)]
    columns = {image: pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    if label == "fine_label":
        columns["coarse_label"] = pa.array([0] * len(labels), integers)
    columns[label] = pa.array(labels, integers)
    table = pa.table(columns)
    if names:
        features = {image: {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, **options)


def read(paths, image, label, colours="RGB"):
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    return summary(np.stack([pixels(row[image]["bytes"], colours) for row in rows]), [row[label] for row in rows])


def hub(name, config, image, label, names=None, grey=False):
    """A repository with two training files; the first in two row groups."""
    where = folder(f"{name}/{config}")
    count = len(names or range(100))
    size = {"height": 28, "width": 28} if grey else {}
    files = [encoded(picture(number, grey=grey, **size)) for number in range(9)]
    labels = [(7 * number + 3) % count for number in range(9)]
    parts = {"train-00000-of-00002": slice(0, 4), "train-00001-of-00002": slice(4, 6), "test-00000-of-00001": slice(6, 9)}
    for part, rows in parts.items():
        table(where / f"{part}.parquet", files[rows], labels[rows], image, label, names, row_group_size=3)
    train = sorted(where.glob("train-*.parquet"))
    colours = "L" if grey else "RGB"
    return {
        "train": read(train, image, label, colours),
        "test": read([where / "test-00000-of-00001.parquet"], image, label, colours),
    }


def imagenet():
    """ImageNet's repository with two classes: JPEG pictures of many sizes, a contest's test set, and pages of every kind. One
    picture is a PNG that packs, so that pages hold copies; one of the training pictures is there twice, as a dictionary has it."""
    where = folder("imagenet/data")
    names = ["tench, Tinca tinca", "goldfish, Carassius auratus"]
    files = []
    for number in range(24):
        height, width = 40 + 7 * (number % 5), 48 + 5 * (number % 7)
        files.append(encoded(picture(80 + number, height, width, grey=number == 5), "JPEG", quality=60))
    files[3] = encoded(picture(83, 90, 110) // 32 * 32, "PNG", compress_level=0)
    files[9] = files[8]
    labels = [0] * 8 + [1] * 8 + [0] * 3 + [1] * 5
    # A row group is one page of a dictionary, as `datasets` makes them; then small pages; then a dictionary that grows too
    # large, version 2; then pages that are not packed.
    small = dict(write_batch_size=2, data_page_size=1000)
    parts = {
        "train-00000-of-00002": (range(0, 10), dict(row_group_size=5)),
        "train-00001-of-00002": (range(10, 16), dict(row_group_size=4, use_dictionary=False, **small)),
        "validation-00000-of-00002": (range(16, 20), dict(data_page_version="2.0", dictionary_pagesize_limit=3000, **small)),
        "validation-00001-of-00002": (range(20, 22), dict(compression="none", use_dictionary=False, **small)),
        "test-00000-of-00001": (range(22, 24), {}),
    }
    for part, (rows, options) in parts.items():
        marks = [-1 if part.startswith("test") else labels[row] for row in rows]
        table(where / f"{part}.parquet", [files[row] for row in rows], marks, names=names, **options)
    # The same pictures as files; rows are sorted by class, so that they follow each other in the same order.
    rows = {"train": range(16), "val": range(16, 22)}
    for split, numbers in rows.items():
        for number in numbers:
            path = folder(f"imagenet-folder/{split}/{['n01440764', 'n01443537'][labels[number]]}")
            (path / f"{number:02}.JPEG").write_bytes(files[number])


def unknown():
    """No metadata, no compression, pages of version 2, labels of 32 bits, a folder a split, a grey picture among others."""
    expected = {}
    for split, numbers in [("train", range(20, 25)), ("validation", range(25, 28))]:
        files = [encoded(picture(number, grey=number == 20)) for number in numbers]
        labels = [number % 3 for number in numbers]
        path = folder(f"unknown/default/{split}") / "0000.parquet"
        table(path, files, labels, integers=pa.int32(), compression="none", data_page_version="2.0")
        expected["train" if split == "train" else "test"] = read([path], "image", "label")
    return expected


def walk(root):
    """The files below a folder in the order of torchvision's ImageFolder."""
    for base, _, names in sorted(os.walk(root)):
        yield from (Path(base) / name for name in sorted(names))


def summary_of_files(files, classes, label):
    images = np.stack([pixels(file.read_bytes()) for file in files])
    return summary(images, [classes.index(label(file)) for file in files])


def image_folder():
    """A file a picture; one is grey, one is deeper, and one file is no picture."""
    for number, name in enumerate(
        ["train/bee/1.png", "train/bee/more/0.PNG", "train/ant/b.png", "train/ant/a.png", "val/bee/x.png", "val/ant/y.png"]
    ):
        path = folder("folder/" + str(Path(name).parent)) / Path(name).name
        path.write_bytes(encoded(picture(40 + number, grey=number == 2)))
    (HERE / "folder/train/ant/notes.txt").write_text("no picture\n")
    expected = {}
    for split, name in [("train", "train"), ("test", "val")]:
        files = [file for file in walk(HERE / "folder" / name) if file.suffix.lower() == ".png"]
        expected[split] = summary_of_files(files, ["ant", "bee"], lambda file: file.relative_to(HERE).parts[2])
    return expected


def tiny_imagenet():
    """Three of 200 classes. The files are PNG, though their names say JPEG, so that pixels can be compared."""
    root = folder("tiny-imagenet-200")
    wnids = ["n02124075", "n01443537", "n04067472"]
    (root / "wnids.txt").write_text("\n".join(wnids) + "\n")
    words = {"n00001740": "entity", "n01443537": "goldfish, Carassius auratus", "n02124075": "Egyptian cat"}
    (root / "words.txt").write_text("".join(f"{wnid}\t{word}\n" for wnid, word in words.items()))
    for number in range(6):
        wnid = wnids[number % 3]
        name = f"tiny-imagenet-200/train/{wnid}"
        image = encoded(picture(50 + number, 64, 64, grey=number == 4))
        (folder(name + "/images") / f"{wnid}_{number // 3}.JPEG").write_bytes(image)
        (folder(name) / f"{wnid}_boxes.txt").write_text(f"{wnid}_{number // 3}.JPEG\t0\t0\t63\t63\n")
    (folder("tiny-imagenet-200/test/images") / "test_0.JPEG").write_bytes(encoded(picture(59, 64, 64)))
    annotations = {f"val_{number}.JPEG": wnids[2 - number] for number in range(3)}
    for number, name in enumerate(annotations):
        (folder("tiny-imagenet-200/val/images") / name).write_bytes(encoded(picture(60 + number, 64, 64)))
    lines = [f"{name}\t{wnid}\t0\t0\t63\t63\n" for name, wnid in annotations.items()]
    (root / "val/val_annotations.txt").write_text("".join(lines))
    train = [file for file in walk(root / "train") if file.suffix == ".JPEG"]
    validation = [root / "val/images" / name for name in annotations]
    classes = sorted(wnids)
    return {
        "train": summary_of_files(train, classes, lambda file: file.name[:9]),
        "test": summary_of_files(validation, classes, lambda file: annotations[file.name]),
    }


def npz():
    """Channels last, channels second and packed, and without channels under MedMNIST's names."""
    where = folder("npz")
    images = np.stack([picture(70 + number) for number in range(7)])
    labels = np.arange(7) % 3
    parts = {"x_train": images[:5], "y_train": labels[:5], "x_test": images[5:], "y_test": labels[5:]}
    np.savez(where / "channels_last.npz", **parts, classes=np.array(["ant", "bee", "Käfer"]))
    second = {name: part.transpose(0, 3, 1, 2) if name[0] == "x" else part.astype(np.uint8)[:, None] for name, part in parts.items()}
    second = {name: np.ascontiguousarray(part) for name, part in second.items()}
    np.savez_compressed(where / "channels_second.npz", **second)
    names = {"x_train": "train_images", "y_train": "train_labels", "x_test": "test_images", "y_test": "test_labels"}
    grey = {names[name]: np.ascontiguousarray(part[..., 0]) if name[0] == "x" else part for name, part in parts.items()}
    np.savez_compressed(where / "grey.npz", **grey)
    images = images.transpose(0, 3, 1, 2)
    return {
        "npz": {"train": summary(images[:5], labels[:5]), "test": summary(images[5:], labels[5:])},
        "npz-grey": {"train": summary(images[:5, :1], labels[:5]), "test": summary(images[5:, :1], labels[5:])},
    }


def resized():
    """One picture in several sizes, as Pillow and torchvision's transforms of Pillow's pictures make them."""
    where = folder("resized")
    for name, grey in [("colour", False), ("grey", True)]:
        source = Image.fromarray(picture(30, 37, 53, grey))
        source.save(where / f"{name}.png")
        for height, width in [(16, 16), (74, 60), (37, 20), (5, 90), (35, 52), (34, 52), (10, 40)]:
            source.resize((width, height), Image.BILINEAR).save(where / f"{name}_{height}x{width}.png")
        # Resize(24), CenterCrop(24): the shorter side becomes 24, the other 24·53/37, rounded down.
        wide = source.resize((24 * 53 // 37, 24), Image.BILINEAR)
        left = int(round((wide.width - 24) / 2))
        wide.crop((left, 0, left + 24, 24)).save(where / f"{name}_middle_24.png")


def jpegs():
    """JPEG files of every common kind, and Pillow's pixels as PNG beside each."""
    where = folder("jpeg")
    kinds = {
        "baseline_420": dict(quality=90, subsampling="4:2:0"),
        "baseline_444": dict(quality=90, subsampling="4:4:4"),
        "baseline_422": dict(quality=75, subsampling="4:2:2"),
        "progressive_420": dict(quality=85, progressive=True),
        "grey": dict(quality=90),
    }
    for name, options in kinds.items():
        file = encoded(picture(31, 45, 61, name == "grey"), "JPEG", **options)
        (where / f"{name}.jpg").write_bytes(file)
        Image.open(io.BytesIO(file)).save(where / f"{name}.png")


shutil.rmtree(HERE, ignore_errors=True)
expected = {
    "cifar10": hub("cifar10", "plain_text", "img", "label", CIFAR10),
    "cifar100": hub("cifar100", "cifar100", "img", "fine_label"),
    "fashion-mnist": hub("fashion-mnist", "fashion_mnist", "image", "label", FASHION, grey=True),
    "unknown": unknown(),
    "folder": image_folder(),
    "tiny-imagenet": tiny_imagenet(),
    **npz(),
}
imagenet()
resized()
jpegs()
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
