"""Tables as files: CSV, TSV, JSON lines, Parquet; every column as text or numbers, nothing evaluated.

Text may be packed by gzip or Zstandard, in any encoding of Unicode, and have decimal commas.
"""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
import pyarrow as pa

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.importers.tables.content import PACKED, Text, read_text
from mstudy.importers.tables.decimals import with_points
from mstudy.importers.tables.frame import PLACES, Table, with_places
from mstudy.importers.tables.json_lines import read_lines
from mstudy.importers.tables.remarks import without_remarks
from mstudy.importers.tables.table_bounds import (
    MAX_BYTES,
    MAX_LINE_BYTES,
    require_bounds_of_parquet,
    require_bounds_of_text,
)

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_LINES = (".jsonl", ".ndjson")
_FAULTS = (
    OSError,
    ValueError,
    TypeError,
    RecursionError,
    MemoryError,
    pa.ArrowException,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


def form_of(path: Path) -> str:
    """Return how the name says that a file is written: its last suffix, one of a packed file left out."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return next((suffix for suffix in reversed(suffixes) if suffix not in PACKED), "")


def read_table(path: Path) -> Table:
    """Return the table; text of one column holds numbers as they were written.

    Raises LogError where the file is no such table.
    """
    form = form_of(path)
    try:
        require_plain(path, MAX_BYTES, LogError)
        if form == ".parquet":
            content = path.read_bytes()  # of a path polars would take brackets and stars for a pattern
            require_bounds_of_parquet(content, path)
            return Table(with_places(_plain_columns(pl.read_parquet(io.BytesIO(content)))))
        text = read_text(path)
        if form in _LINES or (form not in _SEPARATORS and text.content.lstrip()[:1] == b"{"):
            return read_lines(text, path)
        text = without_remarks(text)
        return _read_cells(text, _separator_of(text.content, form), path)
    except _FAULTS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        hint = _HINT if "found more fields" in reason else ""
        raise LogError(f"{path} must be a whole {form[1:] or 'csv'} table, found otherwise ({reason}){hint}.") from None


_HINT = "; a comma inside a cell, as a decimal one, needs quotes, or semicolons between the cells"


def _separator_of(content: bytes, form: str) -> str:
    """Return what stands between cells: as the name says, unless the header has semicolons, or tabs, alone."""
    usual = _SEPARATORS.get(form, ",")
    header = content[: content.find(b"\n") if b"\n" in content else len(content)][:MAX_LINE_BYTES]
    if usual.encode() in header:
        return usual
    return next((mark for mark in (";", "\t", ",", "|") if mark.encode() in header), usual)


def _read_cells(text: Text, separator: str, path: Path) -> Table:
    require_bounds_of_text(text.content, separator, path)
    frame = pl.read_csv(text.content, separator=separator, infer_schema=False, truncate_ragged_lines=False)
    frame = frame.rename(_stripped(frame.columns))
    if separator != "," or b'"' in text.content:
        frame = with_points(frame, path)
    blank = pl.all_horizontal(pl.exclude(PLACES).is_null())
    placed = with_places(frame, _column_cut(text, separator, frame)).filter(~blank)
    return Table(placed, text.notes)


def _stripped(columns: list[str]) -> dict[str, str]:
    """Return names without the spaces around them, which some writers pad, where they stay apart."""
    plain = {name: name.strip() for name in columns}
    return plain if len(set(plain.values())) == len(plain) else {}


def _column_cut(text: Text, separator: str, frame: pl.DataFrame) -> str | None:
    """Return the column in which a last line without an end breaks off; None where the line has one."""
    if text.content.endswith(b"\n"):
        return None
    last = text.content[text.content.rfind(b"\n") + 1 :]
    n_cells = last.count(separator.encode()) + 1
    return None if last.endswith(b'"') else frame.columns[min(n_cells, len(frame.columns)) - 1]


def _plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop the columns that are neither text nor numbers: histograms, media."""
    plain = [n for n, t in frame.schema.items() if t.is_numeric() or t in (pl.String, pl.Boolean, pl.Null)]
    return frame.select(plain)
