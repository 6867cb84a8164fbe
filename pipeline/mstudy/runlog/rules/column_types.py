"""Rules on the columns of a file: which there are, and of what type."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mstudy.core.statuses import Severity
from mstudy.runlog.format.schema import COLUMNS, REQUIRED_COLUMNS
from mstudy.runlog.rules.rule import Fault, Stage

SCHEMA: Stage[pa.Schema] = Stage()


@SCHEMA.rule("missing-column", Severity.ERROR, "the columns `step` and `loss` exist", "Rename or add the column.")
def _missing(schema: pa.Schema) -> Iterator[Fault]:
    for column in REQUIRED_COLUMNS:
        if column not in schema.names:
            yield Fault(f"the column {column} must exist, found {', '.join(schema.names)[:200] or 'none'}.", column)


@SCHEMA.rule("repeated-column", Severity.ERROR, "a column occurs once", "Drop or rename all but one.")
def _repeated(schema: pa.Schema) -> Iterator[Fault]:
    for column in COLUMNS:
        if (count := schema.names.count(column)) > 1:
            yield Fault(f"the column {column} must occur once, found it {count} times.", column)


@SCHEMA.rule(
    "column-type",
    Severity.ERROR,
    "`step`, `loss` and the columns of the format hold numbers",
    "Write the column as numbers.",
)
def _mistyped(schema: pa.Schema) -> Iterator[Fault]:
    for field in schema:
        if field.name in COLUMNS and not _holds_numbers(field):
            yield Fault(f"the column {field.name} must hold numbers, found {field.type}.", field.name)


def _holds_numbers(field: pa.Field) -> bool:
    kind = field.type
    if pa.types.is_null(kind):
        return field.name not in REQUIRED_COLUMNS
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
