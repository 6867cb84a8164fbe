"""The manifest: a table in the runs folder that says of each file what its own metadata does not.

`manifest.csv`, `manifest.json` (a list of objects) or `manifest.parquet`, directly in the folder: a column `path`,
relative to the folder, and the fields of a log's metadata.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.outside import unique_keys
from mstudy.runlog.raw.listing import MANIFESTS
from mstudy.runlog.raw.metadata import Metadata
from mstudy.runlog.raw.source import Source

_WHOLE_NUMBERS = ("batch_size", "seed", "n_train", "diverged_step", "schema")
_REAL_NUMBERS = ("learning_rate", "momentum")
_MAX_ROWS = 5_000_000
_MAX_BYTES = 2**28  # some fifty bytes a row


@dataclass(frozen=True)
class Manifest:
    """rows: the fields of each path, as they stand there, in order; name: the file, empty without one.

    others: further manifests in the folder, unread. fault: why it cannot be read.
    """

    name: str = ""
    rows: list[tuple[str, Metadata]] = field(default_factory=list)
    others: tuple[str, ...] = ()
    fault: str | None = None

    def by_path(self) -> dict[str, Metadata]:
        """Return the first row of each path."""
        return dict(reversed(self.rows))


def read_manifest(source: Source, names: list[str]) -> Manifest:
    """Return the folder's manifest, if it has one; never raises for what is in it."""
    present = [name for name in MANIFESTS if name in names]
    if not present:
        return Manifest()
    first, *others = present
    try:
        rows = [_row(raw) for raw in _READERS[first.rsplit(".")[-1]](source.read(first, max_bytes=_MAX_BYTES))]
    except (pa.ArrowException, OSError, ValueError, RecursionError, csv.Error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return Manifest(first, [], tuple(others), reason)
    return Manifest(first, rows, tuple(others))


def _row(raw: Any) -> tuple[str, Metadata]:
    if not isinstance(raw, dict) or not isinstance(raw.get("path"), str):
        raise ValueError(f"each row must have a path, found {str(raw)[:80]}")
    return raw["path"], {key: value for key, value in raw.items() if key != "path" and value is not None}


def _read_csv(content: bytes) -> Iterator[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")), strict=True)
    unique_keys((name, None) for name in reader.fieldnames or [])
    for raw in reader:
        if None in raw:
            raise ValueError(f"line {reader.line_num} must have {len(reader.fieldnames or [])} cells, found more")
        # An empty cell says nothing.
        yield {key: _value(key, text) for key, text in raw.items() if text}


def _value(key: str, text: str) -> Any:
    """Return a cell as the field's type; text that is no number stays text, for the rules to refuse."""
    kind = int if key in _WHOLE_NUMBERS else float if key in _REAL_NUMBERS else str
    try:
        return kind(text)
    except ValueError:
        return text


def _read_json(content: bytes) -> Iterator[dict[str, Any]]:
    value = json.loads(content.decode("utf-8"), object_pairs_hook=unique_keys)
    if not isinstance(value, list):
        raise ValueError(f"it must be a list of objects, found {content[:40]!r}")
    yield from value


def _read_parquet(content: bytes) -> Iterator[dict[str, Any]]:
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    if not 0 <= file.metadata.num_rows <= _MAX_ROWS:
        raise ValueError(f"it must have at most {_MAX_ROWS} rows, found {file.metadata.num_rows}")
    unique_keys((name, None) for name in file.schema_arrow.names)
    yield from file.read(use_threads=False).to_pylist()


_READERS = {"csv": _read_csv, "json": _read_json, "parquet": _read_parquet}
