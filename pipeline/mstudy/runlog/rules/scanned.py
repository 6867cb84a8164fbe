"""What is known of all runs without their rows, and the questions that several rules ask of it."""

from __future__ import annotations

import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.tables.contracts import RUNS
from mstudy.tables.table import BLOCK

SCANNED = pl.Schema(
    dict(RUNS.schema)
    | {
        "first_step": pl.Int64(),
        "origin": pl.Int64(),  # the step at which training began, as far as the log tells
        "first_loss": pl.Float64(),  # at step 0; null where the log begins later
        "start_loss": pl.Float64(),  # of the first row
        "scale": pl.String(),  # core.losses.scale.Scale: how its losses will be compared
        "judged": pl.String(),  # the quantity in which sharpening is looked for
        "curvature": pl.String(),  # of that quantity: varies, constant, missing
        "other_curvatures": pl.String(),  # others that may be judged and have values, by their names
        "curvature_of": pl.String(),  # what the log says of its definition
        "stated": pl.String(),  # JSON: what else the log says of how it was trained
        "rows_digest": pl.String(),  # of steps and losses; null where no two runs need differ in them
        "digest": pl.String(),  # of the file's bytes
    }
)
IS_SGD = pl.col("optimizer") == SGD
_SIDES = ("path", "first_step", "last_step", "origin", "first_loss", "stated", "diverged_step", "scale")


def main_runs(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs that are paired and averaged: neither twins nor branches."""
    return runs.filter(pl.col("twin_of").is_null() & pl.col("branch_of").is_null())


def all_pairs(runs: pl.DataFrame) -> pl.DataFrame:
    """Return each SGDM run beside its SGD run, whose columns end in `_sgd`."""
    own = main_runs(runs)
    sgdm = own.filter(~IS_SGD).select(*BLOCK, "optimizer", "momentum", "seed", *_SIDES)
    sgd = own.filter(IS_SGD).select(*BLOCK, "seed", *_SIDES)
    return sgdm.join(sgd, on=[*BLOCK, "seed"], suffix="_sgd")


def finished_pairs(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs in which neither run diverged."""
    return all_pairs(runs.filter(pl.col("diverged_step").is_null()))
