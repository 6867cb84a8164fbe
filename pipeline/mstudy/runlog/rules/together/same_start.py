"""Rules on pairs: at step 0 both runs have the network of their seed, and so the same loss.

A loss in other units differs by one factor in every pair, or by a factor that no initial network explains. Losses that
are compared by difference are held by the same bounds, in shares of the loss's fall instead of in log loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import assert_never

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.statuses import Severity
from mstudy.runlog.rules.rule import Fault, Stage
from mstudy.runlog.rules.scanned import all_pairs
from mstudy.runlog.rules.together.loss_fall import loss_units
from mstudy.tables.table import LINE, SETTING

SAME_START: Stage[pl.DataFrame] = Stage()
_MAX_FACTOR = 10.0  # more is not the loss of one network, nor of two that were drawn alike
_CLEAR_FACTOR = 1.1  # less may be rounding, or another mini-batch
_FACTOR_SPREAD = 0.01  # of the logarithm, over pairs: what differs by one factor
_MIN_PAIRS = 3  # pairs that show one factor


def _compared(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs that state a loss at step 0, with `log_factor`, SGDM's over SGD's, and `is_other_unit`.

    By difference `log_factor` is SGDM's less SGD's, as a share of the loss's fall.
    """
    pairs = all_pairs(runs).join(loss_units(runs), on=SETTING, nulls_equal=True)
    by_difference, unit = pl.col("scale") == Scale.DIFFERENCE, pl.col("loss_unit")
    positive = (pl.col("first_loss") > 0) & (pl.col("first_loss_sgd") > 0)
    pairs = pairs.filter(pl.when(by_difference).then(unit > 0).otherwise(positive))
    pairs = pairs.filter(pl.col("first_loss").is_not_null() & pl.col("first_loss_sgd").is_not_null())
    difference = (pl.col("first_loss") - pl.col("first_loss_sgd")) / unit
    factor = (
        pl.when(by_difference).then(difference).otherwise(pl.col("first_loss").log() - pl.col("first_loss_sgd").log())
    )
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
        pl.col("path").min(),
        pl.len(),
        pl.col("n_pairs", "scale").first(),
        pl.col("log_factor").abs().max(),
    )
    columns = ("path", "len", "n_pairs", "log_factor", "batch_size", "scale")
    for path, apart_, total, largest, b, scale in lines.sort("path").select(columns).iter_rows():
        found = f"{_apart_by(largest, Scale(scale))} in {apart_} of {total} pairs at batch size {b}"
        yield Fault(f"the losses of a pair at step 0 must agree, found {found}.", "loss", path=path)


def _apart_by(largest: float, scale: Scale) -> str:
    match scale:
        case Scale.LOG:
            return f"a factor of up to {math.exp(largest):.3g}"
        case Scale.DIFFERENCE:
            return f"a difference of up to {largest:.3g} of the loss's fall"
        case _:
            assert_never(scale)
