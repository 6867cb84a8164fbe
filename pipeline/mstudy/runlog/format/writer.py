"""Writes a run's log: one Parquet file, all or nothing, the same bytes for the same run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.core.files import write_whole
from mstudy.runlog.format.digest import content_digest
from mstudy.runlog.format.schema import COLUMNS, DIGEST_KEY, METADATA_KEY, REQUIRED_COLUMNS


def write_run(path: Path, columns: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> None:
    """Write one run's log.

    columns: `step` int64 (n_rows,), strictly increasing, and float64 columns, of the schema or others; a NaN or
    infinity means "not measured" and becomes null, except in `loss`, which must be finite.
    metadata: the JSON object of the run.
    The file appears whole under its name or not at all. Raises LogError when the rows break the format or the disk
    refuses them.
    """
    _check(path, columns)
    names = [name for name in COLUMNS if name in columns] + [name for name in columns if name not in COLUMNS]
    table = pa.table({name: _array(name, columns[name]) for name in names})
    text = json.dumps(metadata, sort_keys=True, allow_nan=False, separators=(",", ":"))
    arrays = {name: np.asarray(columns[name]) for name in names}
    table = table.replace_schema_metadata({METADATA_KEY: text, DIGEST_KEY: content_digest(text.encode(), arrays)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, write_page_checksum=True)
    write_whole(path, memoryview(sink.getvalue()), "A run's log")


def _check(path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
    for name in REQUIRED_COLUMNS:
        if name not in columns:
            raise LogError(f"A run's log must have the column {name}, found {sorted(columns)}, for {path}.")
    steps = np.asarray(columns["step"])
    if len(steps) == 0 or steps[0] < 0 or not np.all(np.diff(steps) > 0):
        raise LogError(f"step must be at least 0 and strictly increasing over at least one row, for {path}.")
    if not np.all(np.isfinite(columns["loss"])):
        raise LogError(f"loss must be finite in every logged row, for {path}; log a diverging run up to that step.")


def _array(name: str, values: NDArray[Any]) -> pa.Array:
    if name == "step":
        return pa.array(np.asarray(values, dtype=np.int64))
    numbers = np.asarray(values, dtype=np.float64)
    return pa.array(numbers, mask=~np.isfinite(numbers))
