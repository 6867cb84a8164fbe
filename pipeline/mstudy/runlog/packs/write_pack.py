"""Writes one pack, and then its index: a pack without its index is one that is not finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.errors import LogError
from mstudy.core.files import content_digest, write_parts, write_whole
from mstudy.runlog.packs.footer import (
    LABEL,
    MAGIC,
    columns_of,
    joined_footer,
    label,
    moved_group,
    n_rows,
    read_footer,
    row_groups,
)
from mstudy.runlog.packs.thrift import Struct
from mstudy.runlog.raw.log import metadata_text, open_file
from mstudy.runlog.raw.metadata import Metadata
from mstudy.runlog.raw.pack_index import INDICES, PACKS, SIZE_KEY
from mstudy.runlog.raw.source import Source
from mstudy.runlog.rules.scanned import SCANNED

_WHAT = "The folder of packs"
# What depends on the parameters by which a log is read; a pack is for any.
_OF_PARAMETERS = ("final_loss", "scale", "judged", "curvature", "other_curvatures")
_INDEX = pl.Schema(
    {name: kind for name, kind in SCANNED.items() if name not in _OF_PARAMETERS}
    | dict.fromkeys(("metadata", "listed"), pl.String())
    | dict.fromkeys(("row_group", "n_row_groups", "n_rows", "offset", "n_bytes"), pl.Int64())
    | {"pack": pl.String()}
)


@dataclass(frozen=True)
class Member:
    """A log to pack. n_bytes: of the log. run: its row of rules.scanned.SCANNED. listed: what a manifest says of it."""

    n_bytes: int
    run: dict[str, Any]
    listed: Metadata | None

    @property
    def path(self) -> str:
        """Its name below the runs folder."""
        return str(self.run["path"])


def read_member(source: Source, path: str, digest: str) -> tuple[bytes, Struct]:
    """Return a log and its footer. Raises LogError where it cannot be packed, or has changed."""
    try:
        content = source.read(path)
        footer = read_footer(content)
    except (OSError, ValueError) as error:
        raise LogError(f"A log must be one that can be packed, found {path}: {error}.") from None
    if content_digest(content) != digest:
        raise LogError(f"A log must not change while it is packed, found {path} changed; run it again.")
    if LABEL in columns_of(footer):
        raise LogError(f"A log to pack must have no column {LABEL}, found one in {path}; rename it.")
    return content, footer


def write_pack(source: Source, members: Sequence[Member], out: Path) -> str:
    """Write logs of one layout as one pack; return its name, which follows from what it holds."""
    stated = [(each.path, each.run["digest"], each.listed) for each in members]
    name = content_digest(json.dumps(stated, sort_keys=True, default=str).encode()) + ".parquet"
    pack = out / PACKS / name
    rows: list[dict[str, Any]] = []
    write_parts(pack, _parts(source, members, rows), _WHAT, out)
    _check(pack, sum(row["n_rows"] for row in rows))
    frame = pl.DataFrame([row | {"pack": name} for row in rows], schema=_INDEX)
    table = frame.to_arrow().replace_schema_metadata({SIZE_KEY: str(pack.stat().st_size)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    write_whole(out / INDICES / name, memoryview(sink.getvalue()), _WHAT, out)
    return name


def _parts(source: Source, members: Sequence[Member], rows: list[dict[str, Any]]) -> Iterator[bytes]:
    """Yield the bytes of a pack, part by part; add to `rows` what its index says of each log."""
    yield MAGIC
    at = len(MAGIC)
    groups: list[bytes] = []
    first: Struct | None = None
    for member in members:
        content, footer = read_member(source, member.path, member.run["digest"])
        first = footer if first is None else first
        rows.append(_index_row(member, content, at, len(groups), row_groups(footer)))
        yield content
        start = at
        at += len(content)
        for group in row_groups(footer):
            labels = label(member.path, n_rows(group))
            groups.append(moved_group(group, start, labels, at))
            yield labels.content
            at += len(labels.content)
    if first is not None:
        yield joined_footer(first, groups, sum(row["n_rows"] for row in rows))


def _index_row(member: Member, content: bytes, offset: int, first: int, groups: list[Struct]) -> dict[str, Any]:
    own = metadata_text(open_file(content))
    return {name: value for name, value in member.run.items() if name not in _OF_PARAMETERS} | {
        "metadata": None if own is None else own.decode("utf-8", "replace"),
        "listed": None if member.listed is None else json.dumps(member.listed, default=str),
        "row_group": first,
        "n_row_groups": len(groups),
        "n_rows": sum(map(n_rows, groups)),
        "offset": offset,
        "n_bytes": len(content),
    }


def _check(pack: Path, rows: int) -> None:
    """Raise LogError where a reader of Parquet does not find every row: no reader would be told of it later."""
    try:
        found = pq.read_metadata(pack).num_rows
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"A pack must be Parquet, found {pack} unreadable: {error}; keep the logs.") from None
    if found != rows:
        raise LogError(f"A pack must hold every row of its logs, {rows:,}, found {found:,} in {pack}; keep the logs.")
