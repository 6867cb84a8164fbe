"""The parts of the page: plain values that the template prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import polars as pl


@dataclass(frozen=True)
class Panel:
    """One drawing. `alt_text` is what a screen reader says of it."""

    key: str
    heading: str
    chart: alt.LayerChart
    alt_text: str


@dataclass(frozen=True)
class NumberTable:
    """A table as text: one heading a column, one row of cells a line."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """Panels under one finding. `notes` say how to read them; `numbers` is what they draw."""

    key: str
    title: str
    panels: tuple[Panel, ...]
    caption: str
    numbers: NumberTable
    notes: tuple[str, ...] = ()
    layout: str = "grid"  # grid: side by side; stack: one below the other, x axes aligned; single: at most half a page


@dataclass(frozen=True)
class Section:
    """A section: a finding in words, figures, tables. `absent` says why there is nothing to draw."""

    key: str
    heading: str
    lead: str
    figures: tuple[Figure, ...] = ()
    tables: tuple[tuple[str, NumberTable], ...] = ()
    sentences: tuple[str, ...] = ()
    absent: str = ""
    choose: str = ""  # where not empty: one figure is shown at a time, picked from a list of this name


Format = Callable[[Any], str]


@dataclass(frozen=True)
class Column:
    """How one column of a frame is printed."""

    source: str
    heading: str
    format: Format = field(default=str)


def number_table(frame: pl.DataFrame, columns: list[Column]) -> NumberTable:
    """The named columns of `frame` as text, row by row."""
    cells = [[column.format(value) for value in frame[column.source]] for column in columns]
    return NumberTable(tuple(c.heading for c in columns), tuple(zip(*cells, strict=True)))
