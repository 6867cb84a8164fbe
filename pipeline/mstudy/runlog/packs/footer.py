"""The footer of a pack: that of one Parquet file whose row groups lie in the logs that the pack holds whole.

The numbers of fields are those of parquet.thrift, in the standard of the format.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.runlog.packs.thrift import BINARY, ENCODED, I32, I64, LIST, STRUCT, Struct, decode, encode

MAGIC = b"PAR1"
LABEL = "log_path"  # the column that says of each row which log it is of
_LENGTH_BYTES = 4
_VERSION, _SCHEMA, _N_ROWS, _ROW_GROUPS, _ENTRIES, _CREATED_BY, _ORDERS = 1, 2, 3, 4, 5, 6, 7  # of FileMetaData
_SHARED = (_VERSION, _SCHEMA, _CREATED_BY, _ORDERS)
_N_CHILDREN = 5  # of SchemaElement
_COLUMNS, _N_BYTES, _GROUP_ROWS, _SORTING, _COMPRESSED = 1, 2, 3, 4, 6  # of RowGroup; what is left out is optional
_FILE_OFFSET, _ABOUT = 2, 3  # of ColumnChunk; the others point to indices of pages, which a pack has not
_COMPRESSED_OF_CHUNK, _DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM, _BLOOM_BYTES = 7, 9, 10, 11, 14, 15
_LABEL_SCHEMA = pa.schema([pa.field(LABEL, pa.string(), nullable=False)])


@dataclass(frozen=True)
class Label:
    """The column of labels of one row group: its bytes, which began at `start` of a file with `footer`."""

    content: bytes
    start: int
    footer: Struct

    @property
    def chunk(self) -> Struct:
        """What the footer says of the column."""
        (chunk,) = _items(row_groups(self.footer)[0], _COLUMNS)
        return cast(Struct, chunk)


def read_footer(content: bytes) -> Struct:
    """Return the footer of a whole Parquet file. Raises ValueError where it cannot be read."""
    end = len(content) - _LENGTH_BYTES - len(MAGIC)
    length = int.from_bytes(content[end : end + _LENGTH_BYTES], "little")
    if end < length or not content.endswith(MAGIC):
        raise ValueError("a Parquet file must end with its footer")
    return decode(content[end - length : end])


def layout_of(footer: Struct) -> bytes:
    """Return what the logs of one pack must share: columns, types, and what wrote them."""
    return encode({number: footer[number] for number in _SHARED if number in footer})


def columns_of(footer: Struct) -> list[str]:
    """Return the names of the columns."""
    return [element[4][1].decode("utf-8", "replace") for element in _items(footer, _SCHEMA)[1:]]


def row_groups(footer: Struct) -> list[Struct]:
    """Return the row groups."""
    return _items(footer, _ROW_GROUPS)


def n_rows(group: Struct) -> int:
    """Return the rows of a row group."""
    return int(group[_GROUP_ROWS][1])


def label(path: str, rows: int) -> Label:
    """Return the column that says `path` in each row."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table([pa.array([path] * rows, pa.string())], schema=_LABEL_SCHEMA), sink, compression="none")
    content = sink.getvalue().to_pybytes()
    footer = read_footer(content)
    (chunk,) = _items(row_groups(footer)[0], _COLUMNS)
    about = chunk[_ABOUT][1]
    start = about.get(_DICTIONARY_PAGE, about[_DATA_PAGE])[1]
    length = about[_COMPRESSED_OF_CHUNK][1]
    return Label(content[start : start + length], start, footer)


def moved_group(group: Struct, by: int, labelled: Label, at: int) -> bytes:
    """Return a row group, encoded, of a log that lies `by` bytes into the pack, with its labels, which lie at `at`."""
    kind, chunks = group[_COLUMNS][1]
    (labels,) = row_groups(labelled.footer)
    columns = [*(_moved(chunk, by) for chunk in chunks), _moved(labelled.chunk, at - labelled.start)]
    whole = {number: group[number] for number in (_GROUP_ROWS, _SORTING) if number in group}
    sizes = {
        number: (I64, group[number][1] + labels[number][1])
        for number in (_N_BYTES, _COMPRESSED)
        if number in group and number in labels
    }
    return encode(whole | sizes | {_COLUMNS: (LIST, (kind, columns))})


def _moved(chunk: Struct, by: int) -> Struct:
    about = {number: field for number, field in chunk[_ABOUT][1].items() if number not in (_BLOOM, _BLOOM_BYTES)}
    for number in (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE):
        if number in about and (about[number][1] > 0 or number == _DATA_PAGE):
            about[number] = (I64, about[number][1] + by)
    return {_FILE_OFFSET: (I64, 0), _ABOUT: (STRUCT, about)}


def joined_footer(first: Struct, groups: list[bytes], rows: int) -> bytes:
    """Return the end of a pack. first: the footer of one of its logs. groups: of `moved_group`."""
    of_label = label("", 1).footer
    kind, elements = first[_SCHEMA][1]
    root = elements[0] | {_N_CHILDREN: (I32, elements[0][_N_CHILDREN][1] + 1)}
    footer = {number: first[number] for number in _SHARED if number in first}
    footer |= {
        _SCHEMA: (LIST, (kind, [root, *elements[1:], _items(of_label, _SCHEMA)[1]])),
        _N_ROWS: (I64, rows),
        _ROW_GROUPS: (LIST, (ENCODED, groups)),
        _ENTRIES: (LIST, (STRUCT, [{1: (BINARY, b"mstudy_pack"), 2: (BINARY, b"1")}])),
    }
    if _ORDERS in first:
        footer[_ORDERS] = (LIST, (STRUCT, [*_items(first, _ORDERS), *_items(of_label, _ORDERS)]))
    content = encode(footer)
    return content + len(content).to_bytes(_LENGTH_BYTES, "little") + MAGIC


def _items(fields: Struct, number: int) -> list[Any]:
    items: list[Any] = fields[number][1][1]
    return items
