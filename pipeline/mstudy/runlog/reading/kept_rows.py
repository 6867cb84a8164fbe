"""The rows of the logs that an analysis has read, kept on disk until it ends, so that no log is read twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import polars as pl
import pyarrow as pa

from mstudy.core.errors import LogError
from mstudy.core.files import content_digest

PLACES = pl.Schema({"path": pl.String(), "part": pl.String(), "first": pl.Int64(), "n_rows": pl.Int64()})
_OPEN_PARTS = 32  # a block of runs is in as many parts, and each takes address space


@dataclass(frozen=True)
class KeptRows:
    """folder: of the parts. places: PLACES, where the rows of each log lie. It can be sent to another process."""

    folder: str
    places: pl.DataFrame

    def of(self, paths: pl.Series) -> KeptRows:
        """Return those of some logs."""
        return KeptRows(self.folder, self.places.filter(pl.col("path").is_in(paths.implode())))

    def tables(self) -> dict[str, pa.Table]:
        """Return the rows of each log by its path; columns that another log of its part had may be there, all null."""
        return {
            path: _open(f"{self.folder}/{part}").slice(first, n_rows)
            for path, part, first, n_rows in self.places.iter_rows()
        }


def keep_rows(folder: str, rows: Mapping[str, pa.Table]) -> pl.DataFrame:
    """Write the rows of some logs as one part; return their PLACES. Raises LogError where the disk refuses."""
    if not rows:
        return PLACES.to_frame()
    part = content_digest("\n".join(rows).encode("utf-8", "surrogateescape")) + ".arrow"
    table = pa.concat_tables(rows.values(), promote_options="default").combine_chunks()
    try:
        with pa.OSFile(str(Path(folder, part)), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    except OSError as error:
        raise LogError(f"The output folder must be writable, found at {folder}: {error}.") from None
    sizes = [each.num_rows for each in rows.values()]
    return pl.DataFrame(list(zip(rows, [part] * len(rows), _starts(sizes), sizes, strict=True)), PLACES, orient="row")


def _starts(sizes: Sequence[int]) -> Iterable[int]:
    at = 0
    for size in sizes:
        yield at
        at += size


@lru_cache(maxsize=_OPEN_PARTS)
def _open(part: str) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(part)).read_all()
