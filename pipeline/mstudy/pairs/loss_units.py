"""Losses in the unit of their setting, before they are compared by difference."""

from __future__ import annotations

from typing import assert_never

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.tables.table import SETTING


def in_units(frame: pl.DataFrame, units: pl.DataFrame, scale: Scale, column: str = "final_loss") -> pl.DataFrame:
    """Return losses as they are, where their logarithms are compared, or divided by the unit of their setting.

    units: a frame with the columns of a setting and `loss_unit`, as tables.FINAL_LOSSES has them.
    """
    match scale:
        case Scale.LOG:
            return frame
        case Scale.DIFFERENCE:
            by_setting = units.select(*SETTING, "loss_unit").unique()
            joined = frame.join(by_setting, on=SETTING, how="left", nulls_equal=True, maintain_order="left")
            return joined.with_columns(pl.col(column) / pl.col("loss_unit")).drop("loss_unit")
        case _:
            assert_never(scale)


def level(loss: pl.Expr, scale: Scale) -> pl.Expr:
    """Return what is subtracted where losses are compared: the logarithm, or the loss, which is in its unit."""
    match scale:
        case Scale.LOG:
            return loss.log()
        case Scale.DIFFERENCE:
            return loss
        case _:
            assert_never(scale)


def loss_at(level_: pl.Expr, scale: Scale) -> pl.Expr:
    """Return the loss of a level."""
    match scale:
        case Scale.LOG:
            return level_.exp()
        case Scale.DIFFERENCE:
            return level_
        case _:
            assert_never(scale)


def ratio(first: pl.Expr, second: pl.Expr, scale: Scale) -> pl.Expr:
    """Return log first / second, or first - second; above 0 the second loss is the lower one."""
    match scale:
        case Scale.LOG:
            return (first / second).log()
        case Scale.DIFFERENCE:
            return first - second
        case _:
            assert_never(scale)
