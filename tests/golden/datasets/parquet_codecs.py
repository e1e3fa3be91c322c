"""Writes one table of pictures and labels packed by every codec that pyarrow has, in pages of both versions: `parquet-codecs/`.

    python parquet_codecs.py
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

HERE = Path(__file__).parent / "parquet-codecs"
HERE.mkdir(exist_ok=True)


def picture(number):
    y, x = np.mgrid[0:12, 0:12]
    image = np.stack([x * 20, y * 20, (x * y * (number + 1)) % 256], -1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=0)
    return {"bytes": file.getvalue(), "path": f"{number}.png"}


pictures = [picture(number % 8) for number in range(12)]
table = pa.table({
    "image": pa.array(pictures, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    "label": pa.array([(7 * number + 3) for number in range(12)], pa.int64()),
})
pq.write_table(table, HERE / "none.parquet", compression="none")
for codec in ["snappy", "zstd", "gzip", "lz4", "brotli"]:
    pq.write_table(table, HERE / f"{codec}.parquet", compression=codec)
    options = dict(use_dictionary=False, data_page_version="2.0", write_batch_size=3, data_page_size=1000, row_group_size=7)
    pq.write_table(table, HERE / f"{codec}-2.parquet", compression=codec, **options)
    print(codec, pq.read_metadata(HERE / f"{codec}.parquet").row_group(0).column(0).compression)
