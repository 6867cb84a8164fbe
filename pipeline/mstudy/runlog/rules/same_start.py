"""Rules on pairs: at step 0 both runs have the network of their seed, and so the same loss.

A loss in other units differs by one factor in every pair, or by a factor that no initial network explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import all_pairs
from mstudy.tables.table import LINE

SAME_START: Stage[pl.DataFrame] = Stage()
_MAX_FACTOR = 10.0  # more is not the loss of one network, nor of two that were drawn alike
_CLEAR_FACTOR = 1.1  # less may be rounding, or another mini-batch
_FACTOR_SPREAD = 0.01  # of the logarithm, over pairs: what differs by one factor
_MIN_PAIRS = 3  # pairs that show one factor


def _compared(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs that state a loss at step 0, with `log_factor`, SGDM's over SGD's, and `is_other_unit`."""
    pairs = all_pairs(runs).filter((pl.col("first_loss") > 0) & (pl.col("first_loss_sgd") > 0))
    factor = pl.col("first_loss").log() - pl.col("first_loss_sgd").log()
    spread = (pl.col("log_factor").max() - pl.col("log_factor").min()).over(LINE)
    is_one = (pl.len().over(LINE) >= _MIN_PAIRS) & (spread < _FACTOR_SPREAD) & _is_clear()
    is_large = pl.col("log_factor").abs() > math.log(_MAX_FACTOR)
    return pairs.with_columns(factor.alias("log_factor")).with_columns((is_one | is_large).alias("is_other_unit"))


def _is_clear() -> pl.Expr:
    return pl.col("log_factor").abs() > math.log(_CLEAR_FACTOR)


@SAME_START.rule(
    "loss-units",
    Severity.ERROR,
    "the losses of a pair at step 0, those of one initial network, have one unit",
    "Log the same loss on both sides, in the same unit.",
)
def _units(runs: pl.DataFrame) -> Iterator[Fault]:
    other = _compared(runs).filter("is_other_unit").sort("path")
    for path, loss, sgd, loss_sgd in other.select("path", "first_loss", "path_sgd", "first_loss_sgd").iter_rows():
        yield Fault(f"its loss at step 0 must be that of {sgd}, {loss_sgd:g}, found {loss:g}.", "loss", 0, path)


@SAME_START.rule(
    "initial-loss",
    Severity.WARNING,
    "the losses of a pair at step 0 agree to a tenth",
    "Draw the initial network from the seed, alike on both sides, and log the loss at step 0 before any update.",
)
def _initial(runs: pl.DataFrame) -> Iterator[Fault]:
    pairs = _compared(runs).with_columns(pl.len().over(LINE).alias("n_pairs"))
    apart = pairs.filter(_is_clear() & ~pl.col("is_other_unit"))
    lines = apart.group_by(LINE).agg(
        pl.col("path").min(), pl.len(), pl.col("n_pairs").first(), pl.col("log_factor").abs().max()
    )
    for path, apart_, total, largest, b in (
        lines.sort("path").select("path", "len", "n_pairs", "log_factor", "batch_size").iter_rows()
    ):
        found = f"a factor of up to {math.exp(largest):.3g} in {apart_} of {total} pairs at batch size {b}"
        yield Fault(f"the losses of a pair at step 0 must agree, found {found}.", "loss", path=path)
