"""Reads one finished log back. It uses only pyarrow, because training must work without polars."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.errors import LogError
from mstudy.runlog.format.schema import METADATA_KEY


def read_finished(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return metadata and rows of the log at `path`. Raises LogError where it is none."""
    try:
        table = pq.read_table(pa.BufferReader(path.read_bytes()))
        metadata = json.loads((table.schema.metadata or {})[METADATA_KEY.encode()])
        return dict(metadata), table.to_pylist()
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise LogError(
            f"{path} must be a run's log to be gone on with, found none ({reason}); choose another name, "
            "or begin it anew with overwrite=True."
        ) from None
