"""How large a table may be; looked at before it is read, since few bytes can stand for many cells."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq

from mstudy.core.errors import LogError

MAX_BYTES = 1 << 31  # of a file
MAX_LINE_BYTES = 1 << 24  # of a header, and of a JSON object
MAX_COLUMNS = 10_000
MAX_ROWS = 20_000_000  # as of a log
MAX_CELLS = 200_000_000
_MAX_UNPACKED_BYTES = 1 << 32  # of a Parquet file


def require_bounds(n_rows: int, n_columns: int, path: Path) -> None:
    """Raise LogError for more rows, columns or cells than a table may have."""
    sizes = (("columns", n_columns, MAX_COLUMNS), ("rows", n_rows, MAX_ROWS), ("cells", n_rows * n_columns, MAX_CELLS))
    for what, size, bound in sizes:
        if not 0 <= size <= bound:
            raise LogError(f"A table must have at most {bound:,} {what}, found {size:,} in {path}.")


def require_bounds_of_text(content: bytes, separator: str, path: Path) -> None:
    """Raise LogError for a CSV or TSV that is too large, by its header and the ends of its lines."""
    end = _end_of_header(content)
    if end > MAX_LINE_BYTES:
        raise LogError(f"A table's header must be at most {MAX_LINE_BYTES:,} bytes, found {end:,} or more in {path}.")
    require_bounds(content.count(b"\n", end), content.count(separator.encode(), 0, end) + 1, path)


def _end_of_header(content: bytes) -> int:
    """Return where the first line ends that is not inside quotes; beyond MAX_LINE_BYTES it is not looked for."""
    end = n_quotes = start = 0
    while 0 <= end <= MAX_LINE_BYTES:
        end = content.find(b"\n", start, MAX_LINE_BYTES + 2)
        n_quotes += content.count(b'"', start, end if end >= 0 else 0)
        if end >= 0 and n_quotes % 2 == 0:
            return end
        start = end + 1
    return min(len(content), MAX_LINE_BYTES + 1)


def require_bounds_of_parquet(content: bytes, path: Path) -> None:
    """Raise LogError for a Parquet file that is too large, by its footer; pyarrow's errors where it has none."""
    footer = pq.ParquetFile(io.BytesIO(content)).metadata
    require_bounds(footer.num_rows, footer.num_columns, path)
    size = sum(footer.row_group(k).total_byte_size for k in range(footer.num_row_groups))
    if size > _MAX_UNPACKED_BYTES:
        raise LogError(f"A table must unpack to at most {_MAX_UNPACKED_BYTES:,} bytes, found {size:,} in {path}.")
