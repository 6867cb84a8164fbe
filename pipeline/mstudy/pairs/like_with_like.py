"""Like with like: which opening of a pair's gap goes with which rise of its SGD run's curvature.

The opening that stays goes with the first rise that stayed: both have place 0. Openings that closed go with rises that
fell back, in order of time: places 1, 2 and so on, used only where a pair has as many of the ones as of the others.
Nothing is matched by nearness. docs/methods.md has the rule.
"""

from __future__ import annotations

import polars as pl

from mstudy.core.statuses import EventKind
from mstudy.tables.table import BLOCK, CELL

_STEP_COLUMNS = ("step", "step_low", "step_high")
_PAIR = (*CELL, "seed")


def numbered_openings(openings: pl.DataFrame) -> pl.DataFrame:
    """Return tables.OPENINGS with `place` and `n_passing`, the openings of the pair that closed."""
    return _numbered(openings, pl.col("close_step").is_null(), _PAIR)


def numbered_rises(events: pl.DataFrame) -> pl.DataFrame:
    """Return the rises of tables.SHARPENING_EVENTS with `place` and `n_passing`, the rises of the run that fell back.

    A progressive rise is none.
    """
    kind, fell = pl.col("kind"), pl.col("fall_step").is_not_null()
    stays = (kind == EventKind.RECURRING) | ((kind == EventKind.LASTING) & ~fell)
    return _numbered(events.filter(kind != EventKind.PROGRESSIVE), stays, ("run_id",))


def aligned_pairs(openings: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the matched moments: one row an opening, with `sharpening_step...`, `log_lag`, `place`.

    openings: tables.OPENINGS. events: tables.SHARPENING_EVENTS. log_lag = log(opening / rise), both times at least one
    step. A pair parted by divergence has its opening there.
    """
    rises = numbered_rises(events).select(pl.col("run_id").alias("sgd_run_id"), *_of_rise())
    both = numbered_openings(openings).join(rises, on=["sgd_run_id", "place"])
    lag = log_step("step") - log_step("sharpening_step")
    return both.filter(_partners_known()).with_columns(lag.alias("log_lag")).sort(*BLOCK, "momentum", "seed", "place")


def exchanged_pairs(openings: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the openings matched, by the same rule, with the rises of every other seed of their block.

    As `aligned_pairs`, with `sharpening_seed`.
    """
    opened = numbered_openings(openings)
    runs = opened.select(*BLOCK, pl.col("seed").alias("sharpening_seed"), "sgd_run_id").unique()
    rises = numbered_rises(events).select(pl.col("run_id").alias("sgd_run_id"), *_of_rise())
    others = runs.join(rises, on="sgd_run_id").drop("sgd_run_id")
    both = opened.join(others, on=[*BLOCK, "place"]).filter(pl.col("seed") != pl.col("sharpening_seed"))
    return both.filter(_partners_known())


def log_step(column: str) -> pl.Expr:
    """Return the log of a step, which counts as at least one."""
    return pl.max_horizontal(column, 1.0).log()


def _numbered(moments: pl.DataFrame, stays: pl.Expr, owner: tuple[str, ...]) -> pl.DataFrame:
    """Number the moments of each owner in order of time, 0 for the first that stays; later ones that stay have none."""
    ordered = moments.sort(*owner, "index").with_columns(stays.alias("stays"))
    passed = (~pl.col("stays")).cast(pl.Int64)
    numbered = ordered.with_columns(
        pl.when("stays").then(0).otherwise(passed.cum_sum().over(owner)).alias("place"),
        passed.sum().over(owner).alias("n_passing"),
    )
    return numbered.unique([*owner, "place"], keep="first", maintain_order=True).drop("stays")


def _of_rise() -> list[pl.Expr]:
    columns = [pl.col(name).alias(f"sharpening_{name}") for name in _STEP_COLUMNS]
    return [pl.col("place"), pl.col("n_passing").alias("sharpening_n_passing"), *columns]


def _partners_known() -> pl.Expr:
    return (pl.col("place") == 0) | (pl.col("n_passing") == pl.col("sharpening_n_passing"))
