"""Survival curves as they are drawn: from the first step on, and only while enough runs are left."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

_METHOD = ("optimizer", "momentum")
_FEWEST, _SHARE = 5, 0.1  # runs at risk below which a curve says little


def drawn_curves(survival: pl.DataFrame) -> pl.DataFrame:
    """Per method `step`, `share` without the event, `low`, `high`.

    survival: tables.SURVIVAL of one setting and stratum. A curve begins with all runs at step 0 and ends where fewer
    than a tenth of its runs, or than five, are at risk.
    """
    curves = []
    for part in survival.sort("step").partition_by(_METHOD, maintain_order=True):
        n_runs = part["n_risk"][0]
        enough = max(min(_FEWEST, n_runs), int(_SHARE * n_runs))
        kept = part.filter(pl.col("n_risk") >= enough).select(
            *_METHOD,
            "step",
            pl.col("survival").alias("share"),
            pl.col("ci_low").alias("low"),
            pl.col("ci_high").alias("high"),
        )
        start = kept.head(1).with_columns(step=pl.lit(0.0), share=pl.lit(1.0), low=pl.lit(1.0), high=pl.lit(1.0))
        curves += [start, kept]
    return pl.concat(curves)


def numbers_at_risk(survival: pl.DataFrame, moments: Sequence[float]) -> pl.DataFrame:
    """Per method and moment (a step) `n`, the runs that are then still at risk. survival: as for drawn_curves."""
    rows = []
    for part in survival.sort("step").partition_by(_METHOD, maintain_order=True):
        for moment in moments:
            later = part.filter(pl.col("step") >= moment)
            n = 0 if later.is_empty() else later["n_risk"][0]
            rows.append({**part.select(_METHOD).row(0, named=True), "step": float(moment), "n": n})
    schema = {"optimizer": pl.String(), "momentum": pl.Float64(), "step": pl.Float64(), "n": pl.Int64()}
    return pl.DataFrame(rows, schema=schema)
