"""Threshold: the effective learning rate at which SGDM's advantage crosses the margin, per batch size and momentum.

Per line of cells, log ratio R against x = log eta_ef. The threshold is the x at which a fitted curve crosses the
margin; its interval is the profile of that x over a family of shapes (hinge, softened hinge, saturating, capped), so
that it does not stand on one of them. Method and limits: docs/methods.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.params import Estimate
from mstudy.tables import LINE, THRESHOLDS

ESTIMATED, BELOW_GRID, ABOVE_GRID, INSUFFICIENT = "estimated", "below_grid", "above_grid", "insufficient"
_MIN_CELLS = 4
# The shapes are approximations, the worse the larger the ratio: each cell is granted this share of it as error.
_SHAPE_ERROR = 0.25
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Crossing:
    """A threshold in the unit of eta_ef; numbers only where the status is `estimated`."""

    status: str
    eta_ef_star: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


def estimate_thresholds(advantage: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """One row a line (tables.THRESHOLDS), from tables.ADVANTAGE."""
    rows = []
    for line in advantage.partition_by(LINE):
        usable = _informative_cells(line, estimate.alpha)
        found = find_crossing(
            usable["eta_ef"].to_numpy(),
            usable["log_ratio"].to_numpy(),
            usable["log_ratio_sd"].to_numpy(),
            (usable["n_seeds"] - usable["n_diverged_both"]).to_numpy(),
            usable["superiority_p"].to_numpy(),
            estimate,
        )
        batch_size = line["batch_size"][0]
        per_sample = {
            f"eta_ef_per_sample_{end}": None if value is None else value / batch_size
            for end, value in (("star", found.eta_ef_star), ("low", found.ci_low), ("high", found.ci_high))
        }
        counts = {"n_cells": len(usable), "n_seeds": max(line["n_seeds"].to_list()), "margin": estimate.margin}
        rows.append(line.select(LINE).row(0, named=True) | vars(found) | per_sample | counts)
    return THRESHOLDS.frame(rows)


def _informative_cells(line: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """The cells of a line that say where it crosses the margin, by rising eta_ef.

    A cell with one seed, or in which both optimisers always diverge, compares nothing. The ratio of a cell in which
    runs diverged is a cap, not a measurement: only the first such cell counts, and only where no other is superior.
    """
    cells = line.filter(pl.col("superiority_p").is_not_null()).sort("eta_ef")
    diverged = pl.col("n_diverged_sgd") + pl.col("n_diverged_sgdm") > 0
    whole, fallen = cells.filter(~diverged), cells.filter(diverged)
    beaten_before = (whole["superiority_p"] <= alpha).any()
    return whole if beaten_before else pl.concat([whole, fallen.head(1)])


def find_crossing(
    eta_ef: Vector, ratio: Vector, sd: Vector, n_seeds: NDArray[np.int64], superiority_p: Vector, estimate: Estimate
) -> Crossing:
    """The threshold of one line; arrays (n_cells,), eta_ef rising.

    below_grid: the lowest cell is already superior. above_grid: no cell is. insufficient: fewer than four cells or
    `min_seeds` seeds.
    """
    if len(eta_ef) < _MIN_CELLS or n_seeds.max() < estimate.min_seeds:
        return Crossing(INSUFFICIENT)
    superior = superiority_p <= estimate.alpha
    if superior[0]:
        return Crossing(BELOW_GRID)
    if not superior.any():
        return Crossing(ABOVE_GRID)
    x = np.log(eta_ef)
    freedom = float((n_seeds - 1).sum())
    pooled = float(np.sqrt(((n_seeds - 1) * sd**2).sum() / freedom))
    # Half the pooled spread keeps a cell of five lucky seeds from ruling the fit.
    variance = (sd**2 + pooled**2) / 2 / n_seeds + (_SHAPE_ERROR * ratio) ** 2 + 1e-8
    candidates = np.linspace(x[0], x[-1], 8 * len(x))
    profile = _profile(x, ratio - estimate.margin, 1 / variance, candidates)
    cutoff = profile.min() + stats.f.ppf(1 - estimate.alpha, 1, freedom)
    inside = candidates[profile <= cutoff]
    step = candidates[1] - candidates[0]
    star = candidates[int(profile.argmin())]
    low, high = max(inside[0] - step, x[0]), min(inside[-1] + step, x[-1])
    return Crossing(ESTIMATED, *(math.exp(value) for value in (star, low, high)))


def _profile(x: Vector, above: Vector, weight: Vector, candidates: Vector) -> Vector:
    """Least weighted sum of squares of any shape that crosses zero at each candidate, (n_candidates,).

    A shape is q (1 - f(x) / f(candidate)), f rising from zero: q < 0 is its level left of the crossing, the one
    linear parameter. The constraint is built in, so the profile needs no optimiser.
    """
    best = np.full(len(candidates), np.inf)
    for rise in _rises(x):
        at_x, at_candidate = rise(x), rise(candidates)
        if np.ptp(at_x) == 0:  # flat on the whole grid: crosses nothing
            continue
        crossed = at_candidate > 1e-9
        shape = 1 - at_x[None, :] / at_candidate[crossed, None]
        level = (shape * (weight * above)).sum(axis=1) / (shape**2 * weight).sum(axis=1)
        level = np.minimum(level, -1e-6)
        cost = (weight * (above - level[:, None] * shape) ** 2).sum(axis=1)
        best[crossed] = np.minimum(best[crossed], cost)
    return best


def _rises(x: Vector) -> list[_Rise]:
    knees = np.linspace(x[0] - 1, x[-1], 5 * len(x))
    widths = (x[-1] - x[0]) * np.geomspace(0.03, 1.0, 6)
    return [_Rise(kind, knee, width) for knee in knees for kind in _KINDS for width in widths]


@dataclass(frozen=True)
class _Rise:
    """A function of x that is zero far left of the knee and rises from there."""

    kind: str
    knee: float
    width: float

    def __call__(self, x: Vector) -> Vector:
        return _KINDS[self.kind](x - self.knee, self.width)


def _positive(t: Vector) -> Vector:
    return np.maximum(t, 0.0)


_KINDS: dict[str, Callable[[Vector, float], Vector]] = {
    "hinge": lambda t, k: _positive(t),
    "accelerating": lambda t, k: np.expm1(_positive(t) / k),
    "softened": lambda t, k: k * np.logaddexp(0.0, t / k),
    "saturating": lambda t, k: -np.expm1(-_positive(t) / k),
    "capped": lambda t, k: np.minimum(_positive(t), k),
}
