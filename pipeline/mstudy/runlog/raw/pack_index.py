"""The index of a pack: which logs it holds, and where. It comes from others, so that nothing in it is believed.

A folder of packs holds `mstudy-packs.json`, `packs/NAME.parquet` and, of each, `index/NAME.parquet`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.errors import LogError, shown
from mstudy.core.outside import unique_keys
from mstudy.runlog.raw.listing import MANIFESTS, SUFFIX

MARK = "mstudy-packs.json"  # a folder that holds it holds packs
PACKS, INDICES = "packs/", "index/"
MARK_CONTENT = b'{"schema": 1}\n'
SIZE_KEY = "mstudy_pack_bytes"  # an entry of the index: the bytes of its pack
MAX_INDEX_BYTES = 2**30
MAX_RUNS = 5_000_000  # of one pack
_COLUMNS = {"path": pa.string(), "offset": pa.int64(), "n_bytes": pa.int64(), "digest": pa.string()}
_OPTIONAL = {"listed": pa.string()}
_MAGIC_BYTES = 4
_LEAST_LOG = 12  # bytes of a Parquet file


@dataclass(frozen=True)
class Place:
    """Where a log lies. pack: a file of the folder. digest: of the log. listed: JSON of what a manifest said of it."""

    pack: str
    offset: int
    n_bytes: int
    digest: str
    listed: str | None


def pack_of(index: str) -> str:
    """Return the pack of an index, by its name."""
    return PACKS + index.removeprefix(INDICES)


def read_index(content: bytes, name: str) -> tuple[dict[str, Place], int]:
    """Return the place of each log of a pack, and the bytes that the pack must have. Raises LogError.

    name: of the index, below the folder.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        if not 0 < file.metadata.num_rows <= MAX_RUNS:
            raise ValueError(f"it must have 1 to {MAX_RUNS:,} rows, found {file.metadata.num_rows:,}")
        size = int((file.metadata.metadata or {})[SIZE_KEY.encode()])
        return _places(_columns(file), pack_of(name), size), size
    except (pa.ArrowException, OSError, ValueError, KeyError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise LogError(
            f"The index of a pack must be as `mstudy pack` wrote it, found {name}: {shown(reason)}; copy it again, "
            f"or pack the logs again."
        ) from None


def _columns(file: pq.ParquetFile) -> dict[str, list[Any]]:
    wanted = _COLUMNS | _OPTIONAL
    table = file.read(columns=list(wanted), use_threads=False)
    columns = {name: table.column(name).cast(kind) for name, kind in wanted.items()}
    for name in _COLUMNS:
        if columns[name].null_count:
            raise ValueError(f"{name} must have a value in each row")
    return {name: column.to_pylist() for name, column in columns.items()}


def _places(columns: dict[str, list[Any]], pack: str, size: int) -> dict[str, Place]:
    rows = zip(*(columns[name] for name in ("offset", "n_bytes", "path", "digest", "listed")), strict=True)
    ordered = sorted(rows, key=lambda row: row[:2])
    _check_bounds([(offset, n_bytes) for offset, n_bytes, *_ in ordered], size)
    _check_paths(columns["path"])
    for listed in columns["listed"]:
        if listed is not None and not isinstance(_object(listed), dict):
            raise ValueError("listed must be a JSON object")
    return {path: Place(pack, offset, n_bytes, digest, listed) for offset, n_bytes, path, digest, listed in ordered}


def _object(text: str) -> Any:
    return json.loads(text, object_pairs_hook=unique_keys)


def _check_bounds(places: list[tuple[int, int]], size: int) -> None:
    """Raise ValueError unless the logs lie one after the other within the pack: a byte is of one log at most."""
    ends = [_MAGIC_BYTES, *(offset + n_bytes for offset, n_bytes in places)]
    if any(n_bytes < _LEAST_LOG for _, n_bytes in places):
        raise ValueError("each log must have bytes")
    if any(offset < end for (offset, _), end in zip(places, ends, strict=False)):
        raise ValueError("logs must not overlap")
    if ends[-1] > size - _MAGIC_BYTES:
        raise ValueError("logs must lie in the pack")


def _check_paths(paths: Iterable[str]) -> None:
    """Raise ValueError for a path that is not a name of a log below a folder."""
    ordered = sorted(paths)
    for one, other in pairwise(ordered):
        if one == other:
            raise ValueError(f"each path must occur once, found {shown(one)} twice")
    for path in ordered:
        parts = path.split("/")
        hidden = any(not part or part.startswith(".") for part in parts)
        if hidden or "\0" in path or not path.endswith(SUFFIX) or path in MANIFESTS:
            raise ValueError(f"a path must be that of a log below a folder, found {shown(path)}")
