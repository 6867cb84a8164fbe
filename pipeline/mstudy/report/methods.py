"""What the page calls an optimizer, and the one order in which methods get their colours."""

from __future__ import annotations

import polars as pl

from mstudy.runlog.schema import NESTEROV, SGD

PLAIN = "SGD"


def with_method(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` (columns `optimizer`, `momentum`) and a column `method`: "SGD", "SGDM μ = 0.9", "Nesterov μ = 0.9"."""
    name = pl.when(pl.col("optimizer") == NESTEROV).then(pl.lit("Nesterov")).otherwise(pl.lit("SGDM"))
    named = pl.format("{} μ = {}", name, pl.col("momentum"))
    return frame.with_columns(pl.when(pl.col("optimizer") == SGD).then(pl.lit(PLAIN)).otherwise(named).alias("method"))


def methods_of(runs: pl.DataFrame) -> list[str]:
    """Every method of the study, SGD first even where it was not run, so that its hue is never another's."""
    others = with_method(runs.filter(pl.col("optimizer") != SGD))
    ordered = others.select("optimizer", "momentum", "method").unique().sort("optimizer", "momentum")
    return [PLAIN, *ordered["method"].to_list()]
