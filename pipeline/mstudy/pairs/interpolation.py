"""SGDM runs whose effective learning rate no SGD run of their seed has, held against SGD between its two neighbours.

log L_SGD, or L_SGD where losses are compared by difference, is interpolated linearly in log eta_ef. Linear
interpolation errs by |f''| (x - x_0)(x_1 - x) / 2 (Atkinson 1989, section 3.1), with f'' from the second divided
differences that the next neighbours give. More seeds do not make this error smaller, so tests take it off their
margins, and intervals are wider by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale
from mstudy.core.optimizers import SGD
from mstudy.pairs.loss_units import level, loss_at
from mstudy.pairs.pairing import OF_A_SIDE, PAIR_COLUMNS, main_runs
from mstudy.tables.table import BLOCK, CELL, SETTING

MAX_RATE_RATIO = 2.0  # neighbours further apart say too little of what lies between
_ROUNDING = 1e-6  # effective learning rates are rounded to six digits
_CURVE = (*SETTING, "batch_size", "seed")
Vector = NDArray[np.float64]


def interpolated_pairs(runs: pl.DataFrame, scale: Scale = Scale.LOG) -> pl.DataFrame:
    """Return one row for each SGDM run that has no exact partner, but an interpolated one.

    runs: tables.RUNS, its losses as `in_units` returns them. The columns are those of `pairing.pair_runs`, with
    `sgd_final_loss` interpolated and no `sgd_run_id`, and `interpolation_error`, in log loss or in those units.
    """
    runs = main_runs(runs)
    sgd, sgdm = runs.filter(pl.col("optimizer") == SGD), runs.filter(pl.col("optimizer") != SGD)
    alone = sgdm.join(sgd, on=[*BLOCK, "seed"], how="anti")
    curves = dict(_curves(sgd.join(alone, on=_CURVE, how="semi"), scale))
    keys = alone.select(_CURVE).rows()
    between = [
        curves[key].between(math.log(eta_ef)) if key in curves else (None, None)
        for key, eta_ef in zip(keys, alone["eta_ef"], strict=True)
    ]
    loss, error = (pl.Series([pair[k] for pair in between], dtype=pl.Float64) for k in (0, 1))
    return (
        alone.select(*CELL, "seed", "eta_ef_per_sample", pl.col(OF_A_SIDE).name.prefix("sgdm_"))
        .with_columns(
            pl.lit(None, dtype=pl.String).alias("sgd_run_id"),
            pl.lit(None, dtype=pl.Int64).alias("sgd_diverged_step"),
            loss_at(pl.lit(loss), scale).alias("sgd_final_loss"),
            pl.lit(None, dtype=pl.Int64).alias("sgd_last_step"),
            error.alias("interpolation_error"),
        )
        .filter(pl.col("sgd_final_loss").is_not_null())
        .select(*PAIR_COLUMNS, "interpolation_error")
        .sort(*CELL, "seed")
    )


@dataclass(frozen=True)
class _Curve:
    """Final losses of the SGD runs of one seed. x: log eta_ef, rising; y: level, NaN where diverged; (n_rates,)."""

    x: Vector
    y: Vector

    def between(self, x: float) -> tuple[float, float] | tuple[None, None]:
        """Return the level of the loss and its error at x.

        None where there are no two near neighbours, or none beside them.
        """
        right = int(np.searchsorted(self.x, x))
        if right in (0, len(self.x)) or self.x[right] - self.x[right - 1] > math.log(MAX_RATE_RATIO) + _ROUNDING:
            return None, None
        value = float(np.interp(x, self.x[right - 1 : right + 1], self.y[right - 1 : right + 1]))
        bends = [abs(bend) for k in (right - 2, right - 1) if not math.isnan(bend := self._second_difference(k))]
        if math.isnan(value) or not bends:
            return None, None
        return value, max(bends) * (x - float(self.x[right - 1])) * (float(self.x[right]) - x)

    def _second_difference(self, first: int) -> float:
        """Return the second divided difference of three rates, half of the second derivative; NaN without them."""
        if first < 0 or first + 3 > len(self.x):
            return math.nan
        x, y = self.x[first : first + 3], self.y[first : first + 3]
        slopes = np.diff(y) / np.diff(x)
        return float((slopes[1] - slopes[0]) / (x[2] - x[0]))


def _curves(sgd: pl.DataFrame, scale: Scale) -> Iterator[tuple[tuple[object, ...], _Curve]]:
    of_trained = level(pl.when(pl.col("diverged_step").is_null()).then(pl.col("final_loss")), scale)
    logs = sgd.with_columns(
        pl.col("eta_ef").log().alias("x"), pl.when(of_trained.is_finite()).then(of_trained).alias("y")
    )
    for key, part in logs.sort("x").group_by(_CURVE, maintain_order=True):
        yield key, _Curve(part["x"].to_numpy(), part["y"].fill_null(math.nan).to_numpy())
