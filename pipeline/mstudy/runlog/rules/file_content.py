"""Rules on the bytes of a file: is it Parquet at all, and whole?"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage

_MAGIC = b"PAR1"
_MAX_ROWS = 20_000_000  # compressed runs of equal values make files whose rows no memory holds
_MAX_COLUMNS = 10_000
CONTENT: Stage[bytes] = Stage()


@CONTENT.rule("empty-file", Severity.ERROR, "a file holds something", "Remove it, or write the log again.")
def _empty(content: bytes) -> Iterator[Fault]:
    if not content:
        yield Fault("not a whole Parquet file, found 0 bytes.")


@CONTENT.rule(
    "not-parquet",
    Severity.ERROR,
    "a file named `*.parquet` is Parquet",
    "Give it the name of its true format, or write it as Parquet.",
)
def _not_parquet(content: bytes) -> Iterator[Fault]:
    if content and not content.startswith(_MAGIC):
        yield Fault(f"not a whole Parquet file, found it to begin with {content[:8]!r}.")


@CONTENT.rule(
    "torn-file",
    Severity.ERROR,
    "a Parquet file has its footer, and the footer can be read",
    "Copy or write it again; what is missing cannot be restored.",
)
def _torn(content: bytes) -> Iterator[Fault]:
    if not content.startswith(_MAGIC):
        return
    try:
        parquet = pq.ParquetFile(pa.BufferReader(content))
        n_rows, n_columns = parquet.metadata.num_rows, parquet.metadata.num_columns
        if n_columns > _MAX_COLUMNS:
            yield Fault(f"a log must have at most {_MAX_COLUMNS} columns, found {n_columns}.")
            return
        parquet.schema_arrow  # noqa: B018  # a damaged schema says so here
    except (pa.ArrowException, OSError, ValueError) as error:
        yield Fault(f"not a whole Parquet file ({first_line(error)}).")
        return
    if not 0 <= n_rows <= _MAX_ROWS:
        yield Fault(f"a log must have at most {_MAX_ROWS} rows, found {n_rows}.")


def first_line(error: Exception) -> str:
    """Return the first line of a library's message, without the hints that follow."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
