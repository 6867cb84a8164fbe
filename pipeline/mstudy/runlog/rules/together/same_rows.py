"""Rule on all runs together: no log is there under two names, as both sides of a pair or as several seeds."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import main_runs
from mstudy.tables.table import SETTING

SAME_ROWS: Stage[pl.DataFrame] = Stage()


@SAME_ROWS.rule(
    "same-rows",
    Severity.ERROR,
    "no two runs of a setting, twins and branches apart, have the same steps and losses",
    "Remove the copy; a seed that changes nothing is no further observation.",
)
def _copies(runs: pl.DataFrame) -> Iterator[Fault]:
    digested = main_runs(runs).filter(pl.col("rows_digest").is_not_null())
    first = pl.col("path").sort().first().over(*SETTING, "rows_digest")
    copies = digested.with_columns(first.alias("first")).filter(pl.col("path") != pl.col("first")).sort("path")
    for path, original in copies.select("path", "first").iter_rows():
        yield Fault(f"its rows must be its own, found the steps and losses of {original}.", "loss", path=path)
