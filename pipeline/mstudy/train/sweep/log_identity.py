"""Which run the bytes of a log say that they are of."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.runlog.format.schema import METADATA_KEY


def is_whole_log(content: bytes, run_id: str) -> bool:
    """Return whether every column can be read and the metadata name this run."""
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        return False
    return _entry(table.schema).get("run_id") == run_id


def is_log_of(content: bytes, run_id: str, study: str) -> bool:
    """Return whether the metadata name this run of this study."""
    try:
        entry = _entry(pq.read_schema(pa.BufferReader(content)))
    except (pa.ArrowException, OSError):
        return False
    return (entry.get("run_id"), entry.get("study")) == (run_id, study)


def _entry(schema: pa.Schema) -> dict[str, Any]:
    """Return the metadata of the run; nothing where they are missing or no JSON object."""
    try:
        entry = json.loads((schema.metadata or {}).get(METADATA_KEY.encode(), b"{}"))
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
