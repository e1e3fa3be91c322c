"""Writes an event file with TensorBoard's own writer, and what TensorBoard reads of it.

    python events.py         needs tensorboard 2.21

`events.tfevents` holds scalars with small, large and negative steps and values. `events.json` holds the same scalars as TensorBoard's
`EventAccumulator` reads them back.
"""

import json
import pathlib
import shutil
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

SECONDS = 1767225600.0
SCALARS = [
    ("train_loss", 0, 2.25),
    ("train_loss", 1, 0.1),
    ("train_loss", 127, -1.5e-7),
    ("train_loss", 128, 0.0),
    ("validation accuracy, %", 300, 94.83),
    ("validation accuracy, %", 5_000_000_000, 1e30),
    ("figures/ua", -1, 100.0),
    ("ü" * 70, 3, 3.0),
]

folder = pathlib.Path(__file__).parent
file = folder / "events.tfevents"
with open(file, "wb") as out:
    writer = RecordWriter(out)
    writer.write(Event(wall_time=SECONDS, file_version="brain.Event:2").SerializeToString())
    for tag, step, value in SCALARS:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        # Proto3 leaves out a step of 0, which readers take for 0 as well.
        writer.write(Event(wall_time=SECONDS, step=step, summary=summary).SerializeToString())
    writer.flush()

with tempfile.TemporaryDirectory() as run:
    shutil.copy(file, pathlib.Path(run) / "events.out.tfevents.1.golden")
    read = EventAccumulator(run)
    read.Reload()
    scalars = {tag: [[e.step, e.value] for e in read.Scalars(tag)] for tag in sorted(read.Tags()["scalars"])}
(folder / "events.json").write_text(json.dumps({"seconds": SECONDS, "scalars": scalars}, indent=1, ensure_ascii=False) + "\n")
