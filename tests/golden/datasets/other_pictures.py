"""Writes WebP, BMP and TIFF files of several kinds, and beside each what Pillow's `convert("RGB")` makes of it: `other-pictures/NAME.ENDING` and
`other-pictures/NAME.ENDING.rgb.png`. Files whose names begin with `refused` have no such picture.

    python other_pictures.py
"""

import struct
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent / "other-pictures"
HERE.mkdir(exist_ok=True)
HEIGHT, WIDTH = 37, 45
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
noise = np.random.RandomState(3).randint(0, 30, (HEIGHT, WIDTH, 3))
colour = np.stack([x * 5, y * 6, (x * y) % 200], -1).clip(0, 225) + noise
rgb = Image.fromarray(colour.astype(np.uint8))
grey = rgb.convert("L")
alpha = rgb.copy()
alpha.putalpha(Image.fromarray(((x * 7 + y) % 256).astype(np.uint8)))


def save(image, name, **options):
    path = HERE / name
    image.save(path, **options)
    if not name.startswith("refused"):
        Image.open(path).convert("RGB").save(HERE / f"{name}.rgb.png")


def bitmap(name, bits, rows, compression=0, masks=b"", palette=b"", colours=0):
    head = 14 + 40 + len(masks) + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
    file = struct.pack("<2sIHHI", b"BM", head + len(rows), 0, 0, head) + info + masks + palette + rows
    (HERE / name).write_bytes(file)
    if not name.startswith("refused"):
        Image.open(HERE / name).convert("RGB").save(HERE / f"{name}.rgb.png")


save(rgb, "lossy.webp", quality=80)
save(rgb, "lossy-low.webp", quality=15)
save(grey, "lossy-grey.webp", quality=60)
save(rgb, "lossless.webp", lossless=True)
save(alpha, "lossless-alpha.webp", lossless=True)
save(alpha, "lossy-alpha.webp", quality=70)
save(rgb, "refused-animated.webp", save_all=True, append_images=[rgb.rotate(180)])

save(rgb, "rgb.bmp")
save(grey, "grey.bmp")
save(rgb.quantize(16), "palette.bmp")
save(grey.convert("1"), "bits.bmp")
save(alpha, "alpha.bmp")
rows = b"".join((((r[:, 0] >> 3) << 10 | (r[:, 1] >> 3) << 5 | r[:, 2] >> 3).astype("<u2").tobytes() + bytes(2)) for r in np.asarray(rgb).astype(int)[::-1])
bitmap("refused-555.bmp", 16, rows)
rows = b"".join((((r[:, 0] >> 3) << 11 | (r[:, 1] >> 2) << 5 | r[:, 2] >> 3).astype("<u2").tobytes() + bytes(2)) for r in np.asarray(rgb).astype(int)[::-1])
bitmap("refused-565.bmp", 16, rows, 3, struct.pack("<III", 0xF800, 0x7E0, 0x1F))
palette = b"".join(bytes([i, 255 - i, i // 2, 0]) for i in range(256))
rows = b"".join(b"".join(bytes([5, (r + c) % 256]) for c in range(WIDTH // 5)) + b"\0\0" for r in range(HEIGHT)) + b"\0\1"
bitmap("rle8.bmp", 8, rows, 1, palette=palette, colours=256)

for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]:
    save(rgb, f"rgb-{compression}.tif", compression=compression)
    save(grey, f"grey-{compression}.tiff", compression=compression)
save(alpha, "refused-alpha.tif")
save(rgb.convert("CMYK"), "refused-cmyk.tif")
save(rgb.quantize(16), "refused-palette.tif")
save(rgb, "refused-jpeg.tif", compression="jpeg")
save(Image.fromarray((x * 1000 + y).astype(np.uint16)), "refused-16.tif")
save(grey.convert("F"), "refused-float.tif")
save(rgb, "refused-pages.tif", save_all=True, append_images=[rgb])
save(grey, "refused-turned.tif", tiffinfo={274: 6})
