"""Prints docs/tables.md: `python -m mstudy.tables.table_list`."""

from __future__ import annotations

import polars as pl

from mstudy.tables.contracts import TABLES
from mstudy.tables.table import Table

_TYPES = {pl.String(): "text", pl.Int64(): "whole", pl.Float64(): "real", pl.Boolean(): "yes or no"}
_HEAD = """# Tables

`mstudy analyze` and `dvc repro` write these tables to `results/`, as Parquet files of the tables' names.
A value that does not exist or cannot be estimated is null.
A p-value is not corrected for multiplicity unless it says so.
This page is printed from the contracts by `python -m mstudy.tables.table_list`.
"""


def as_document() -> str:
    """Return docs/tables.md: a list of all tables, then each with what a row is, its key and its columns."""
    return f"{_HEAD}\n{_as_list()}" + "".join(_described(table) for table in TABLES)


def _as_list() -> str:
    """Return the list of all tables, with what a row of each is."""
    rows = "".join(f"| [`{table.name}`](#{table.name}) | {table.row} |\n" for table in TABLES)
    return f"| table | one row per |\n|---|---|\n{rows.replace('| one ', '| ')}"


def _described(table: Table) -> str:
    columns = "".join(
        f"| `{name}` | {_TYPES[column.type]} | {column.meaning.replace('|', chr(92) + '|')} |\n"
        for name, column in table.columns.items()
    )
    key = ", ".join(f"`{name}`" for name in table.key)
    return (
        f"\n## `{table.name}`\n\nOne row is {table.row}. Written by the stage `{table.stage}`. Key: {key}.\n\n"
        f"| column | type | meaning |\n|---|---|---|\n{columns}"
    )


if __name__ == "__main__":
    print(as_document(), end="")
