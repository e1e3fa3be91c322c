"""Writes PNG files of every colour type and depth, and beside each what Pillow's `convert("RGB")` makes of it: `png/KIND.png` and
`png/KIND.rgb.png`. Of grey with 16 bits Pillow clips what exceeds 255, so that there is nothing to compare: these files are refused.

    python png_kinds.py
"""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent / "png"
HERE.mkdir(exist_ok=True)
SIDE = 16
y, x = np.mgrid[0:SIDE, 0:SIDE]
deep = (x * 4096 + y * 37 + 129) % 65536
flat = (x * 3 + y) % 256


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colours, planes, *extra):
    """`planes`: `[rows, columns, samples]`."""
    samples = np.stack(planes, -1).reshape(SIDE, -1)
    if depth == 16:
        rows = samples.astype(">u2")
    elif depth == 8:
        rows = samples.astype(np.uint8)
    else:
        bits = (samples[..., None] >> np.arange(depth)[::-1]) & 1
        rows = np.packbits(bits.reshape(SIDE, -1).astype(bool), axis=1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, depth, colours, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


palette = bytes((np.arange(48) * 5 + 3).astype(np.uint8))
kinds = {
    "grey1": png(1, 0, [(x + y) % 2]),
    "grey2": png(2, 0, [(x + y) % 4]),
    "grey4": png(4, 0, [(x + y) % 16]),
    "grey8": png(8, 0, [flat]),
    "grey8-transparent": png(8, 0, [flat], (b"tRNS", b"\0\x03")),
    "grey16": png(16, 0, [deep]),
    "grey16-small": png(16, 0, [(x + y * 3) % 200]),
    "grey-alpha8": png(8, 4, [flat, 255 - flat]),
    "grey-alpha16": png(16, 4, [deep, 65535 - deep]),
    "rgb8": png(8, 2, [flat, flat[::-1], 255 - flat]),
    "rgb8-transparent": png(8, 2, [flat, flat, flat], (b"tRNS", b"\0\3\0\3\0\3")),
    "rgb16": png(16, 2, [deep, deep[::-1], 65535 - deep]),
    "rgba8": png(8, 6, [flat, flat[::-1], flat, 255 - flat]),
    "rgba16": png(16, 6, [deep, deep[::-1], deep, 65535 - deep]),
    "palette1": png(1, 3, [(x + y) % 2], (b"PLTE", palette)),
    "palette4": png(4, 3, [(x + y) % 16], (b"PLTE", palette)),
    "palette8-transparent": png(8, 3, [(x + y) % 3], (b"PLTE", palette), (b"tRNS", bytes([0, 128, 255]))),
}
warnings.simplefilter("ignore")
for name, data in kinds.items():
    (HERE / f"{name}.png").write_bytes(data)
    if not name.startswith("grey16"):
        Image.open(io.BytesIO(data)).convert("RGB").save(HERE / f"{name}.rgb.png")
