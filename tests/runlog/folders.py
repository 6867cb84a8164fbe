"""Runs folders made by hand: a sound one, and raw files of any content. Written by pyarrow, not by our writer."""

import json
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SGD = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1, "batch_size": 8, "seed": 0}
SGDM = {"optimizer": "heavy_ball", "momentum": 0.5, "learning_rate": 0.05, "batch_size": 8, "seed": 0}


LOSS = list(np.geomspace(2, 1, 20))


def rows(**changes):
    """Columns of a short log; None drops one."""
    columns = {"step": list(range(20)), "loss": LOSS, "directional_curvature": [0.5, 1.0] * 10}
    return {name: values for name, values in (columns | changes).items() if values is not None}


def write(path: Path, columns, metadata):
    """A Parquet file with these columns; metadata: an object, the entry's own text, or None for no entry."""
    if isinstance(columns, dict) and columns.get("loss") is LOSS:
        columns = columns | {"loss": losses_of(path.stem)}  # no two runs are the same
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if metadata is not None:
        text = metadata if isinstance(metadata, str | bytes) else json.dumps(metadata)
        table = table.replace_schema_metadata({"mstudy": text})
    path.parent.mkdir(exist_ok=True, parents=True)
    pq.write_table(table, path)
    return path


def losses_of(name: str) -> list[float]:
    """Losses that are a file's own, and hardly differ from LOSS."""
    return [loss * (1 + 1e-3 * k * zlib.crc32(name.encode()) / 2**32) for k, loss in enumerate(LOSS)]


def sound(folder: Path) -> Path:
    """Two seeds of one cell, without a problem."""
    for seed in (0, 1):
        pair(folder, seed)
    return folder


def pair(folder: Path, seed: int, sgd=None, sgdm=None, **metadata):
    """A pair, with changes to the columns of each side and to the metadata of both."""
    write(folder / f"sgd-{seed}.parquet", rows(**(sgd or {})), SGD | {"seed": seed} | metadata)
    write(folder / f"sgdm-{seed}.parquet", rows(**(sgdm or {})), SGDM | {"seed": seed} | metadata)
