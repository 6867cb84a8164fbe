"""Threshold: the effective learning rate at which SGDM's advantage crosses the margin, per batch size and momentum.

Per line of cells, log ratio R against x = log eta_ef. The posterior of the crossing over a family of shapes (hinge,
softened, saturating, capped, accelerating) gives estimate and interval, so that they do not stand on one shape. Method
and limits: docs/methods.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import GridStatus, Replication
from mstudy.estimate.rates.advantage_shapes import Family, family_of
from mstudy.estimate.rates.brackets import find_bracket
from mstudy.estimate.rates.rate_noise import noise_over_rates
from mstudy.pairs.rate_lines import Line
from mstudy.pairs.seed_tests import p_greater_rows
from mstudy.tables.contracts import THRESHOLDS

_MIN_CELLS = 4
# The shapes are approximations, and worse where the ratio is larger: this share of the ratio is granted as error.
_SHAPE_ERROR_SHARE = 0.1
# Left of the knee SGDM trails a little, because of its lag at the start: mean and spread of that level, in log loss.
_LEVEL, _LEVEL_SPREAD = -0.01, 0.03
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class LineThreshold:
    """The threshold of a line, in the unit of eta_ef; numbers only where the status is `estimated`."""

    status: GridStatus
    eta_ef_star: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class _Cells:
    """What a line says of its crossing. mean, variance (of the mean): (n_cells,); infinite variance: says nothing.

    cut: index of the first cell that SGD's divergences put beyond the margin, n_cells without one. superior: (n_cells,)
    of the cells before the cut. rises: the level left of the knee is held below the margin. Without seeds the cells may
    hardly scatter, and then shapes of the wrong sign would count.
    """

    mean: Vector
    variance: Vector
    cut: int
    superior: NDArray[np.bool_]
    n_cells: int
    n_seeds: int
    rises: bool = False


def estimate_thresholds(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """Return one row a line (tables.THRESHOLDS)."""
    return THRESHOLDS.frame([threshold_row(line, margins, estimate) for line in lines])


def threshold_row(line: Line, margins: Margins, estimate: Estimate) -> dict[str, object]:
    """Return the row of one line."""
    cells: _Cells | None = _informative_cells(line, margins, estimate)
    threshold, evidence = find_threshold(line, margins, estimate), Replication.REPLICATED
    if not line.is_replicated(estimate.min_seeds):
        cells = _cells_over_rates(line, margins, estimate)
        threshold, evidence = threshold_over_rates(line, margins, estimate), Replication.UNREPLICATED
    per_sample = {
        f"eta_ef_per_sample_{end}": None if value is None else value / line.keys["batch_size"]
        for end, value in (("star", threshold.eta_ef_star), ("low", threshold.ci_low), ("high", threshold.ci_high))
    }
    counts = {"n_cells": cells.n_cells if cells else 0, "n_seeds": len(line.seeds), "margin": margins.advantage}
    bracket = dict(zip(("bracket_low", "bracket_high"), find_bracket(line, margins, estimate), strict=True))
    return line.keys | vars(threshold) | {"evidence": evidence} | bracket | per_sample | counts


def find_threshold(line: Line, margins: Margins, estimate: Estimate, min_seeds: int | None = None) -> LineThreshold:
    """Find the threshold of one line.

    below_grid: the lowest cell is already superior. above_grid: no cell is. insufficient: fewer than four informative
    cells, or fewer seeds than `min_seeds` (by default that of the parameters).
    """
    cells = _informative_cells(line, margins, estimate)
    if cells.n_cells < _MIN_CELLS or cells.n_seeds < (estimate.min_seeds if min_seeds is None else min_seeds):
        return LineThreshold(GridStatus.INSUFFICIENT)
    return _threshold(cells, line, margins, estimate)


def threshold_over_rates(line: Line, margins: Margins, estimate: Estimate) -> LineThreshold:
    """Find the threshold of a line with too few seeds: its interval is over learning rates, not over seeds.

    insufficient: fewer than eight cells in which nothing diverged.
    """
    cells = _cells_over_rates(line, margins, estimate)
    return LineThreshold(GridStatus.INSUFFICIENT) if cells is None else _threshold(cells, line, margins, estimate)


def _cells_over_rates(line: Line, margins: Margins, estimate: Estimate) -> _Cells | None:
    """Return the cells with the noise between learning rates; None where these are too few to tell it."""
    noise = noise_over_rates(line)
    if noise is None:
        return None
    cut = _cut(line, margins)
    whole = line.whole & (np.arange(len(line.mean)) < cut)
    widening = special.stdtrit(noise.freedom, 0.95) / special.ndtri(0.95)
    # One of many cells is beyond the margin by chance, so a cell must be surer than one alone.
    superior = noise.p_greater(line.mean, margins.advantage + line.error) <= estimate.alpha / max(int(whole.sum()), 1)
    return _Cells(
        mean=np.where(whole, line.mean, 0.0),
        variance=np.where(whole, (noise.sd * widening) ** 2 + _model_errors(line), np.inf),
        cut=cut,
        superior=superior & whole,
        n_cells=int(whole.sum()) + int(cut < len(line.mean)),
        n_seeds=int(line.n.max(initial=0)),
        rises=True,
    )


def _threshold(cells: _Cells, line: Line, margins: Margins, estimate: Estimate) -> LineThreshold:
    if cells.cut == 0 or cells.superior[0]:
        return LineThreshold(GridStatus.BELOW_GRID)
    if cells.cut == len(line.eta_ef) and not cells.superior.any():
        return LineThreshold(GridStatus.ABOVE_GRID)
    family = family_of(np.log(line.eta_ef))
    share = np.cumsum(_posterior(cells, family, np.log(line.eta_ef), margins.advantage))
    quantiles = (0.5, estimate.alpha / 2, 1 - estimate.alpha / 2)
    return LineThreshold(
        GridStatus.ESTIMATED, *(math.exp(float(np.interp(q, share, family.crossings))) for q in quantiles)
    )


def _informative_cells(line: Line, margins: Margins, estimate: Estimate) -> _Cells:
    """Return the cells that say where the crossing is."""
    n, mean, cut = line.n, line.mean, _cut(line, margins)
    whole = line.whole & (n >= 2) & (np.arange(len(mean)) < cut)
    squares = np.nansum((line.ratio - mean[:, None]) ** 2, axis=1) * whole
    freedom = np.where(whole, n - 1, 0)
    # A cell's spread is that of itself and its neighbours: five seeds may agree by luck.
    local_freedom = np.maximum(_with_neighbours(freedom), 1)
    # The spread is estimated from few seeds, so it is widened as Student's quantile widens the normal one.
    widening = special.stdtrit(local_freedom, 0.95) / special.ndtri(0.95)
    spread = _with_neighbours(squares) / local_freedom * widening**2
    variance = np.where(whole, spread / np.maximum(n, 1) + _model_errors(line), np.inf)
    return _Cells(
        mean=np.where(whole, mean, 0.0),
        variance=variance,
        cut=cut,
        superior=(p_greater_rows(line.ratio - line.error[:, None], margins.advantage) <= estimate.alpha) & whole,
        n_cells=int(whole.sum()) + int(cut < len(mean)),
        n_seeds=int(n.max(initial=0)),
    )


def _cut(line: Line, margins: Margins) -> int:
    """Return the index of the first cell beyond the margin in which runs diverged, n_rates without one.

    Its ratio is a cap, not a measurement: the crossing lies before it, and no cell from there on shapes the curve.
    """
    beyond = np.flatnonzero(line.compared & ~line.whole & (line.mean > margins.advantage))
    return int(beyond[0]) if len(beyond) else len(line.mean)


def _model_errors(line: Line) -> Vector:
    """Return the variance of each cell that no seed makes smaller: of the shapes, and of interpolation."""
    return np.asarray((_SHAPE_ERROR_SHARE * line.mean) ** 2 + line.error**2 + 1e-8)


def _with_neighbours(values: Vector) -> Vector:
    padded = np.pad(values, 1)
    return padded[:-2] + padded[1:-1] + padded[2:]


def _posterior(cells: _Cells, family: Family, x: Vector, margin: float) -> Vector:
    """Return the probability of each crossing of the family, (n_crossings,).

    The prior is uniform over crossings up to the cut; the level left of the knee is integrated out in closed form.
    """
    weight = 1 / cells.variance
    above = cells.mean - margin
    prior_weight, prior_mean = 1 / _LEVEL_SPREAD**2, _LEVEL - margin
    cross = family.values @ (weight * above) + prior_weight * prior_mean
    precision = (family.values**2) @ weight + prior_weight
    log_posterior = 0.5 * (cross**2 / precision - np.log(precision)) + family.log_prior
    if cells.rises:
        # With the level above the margin a shape would fall through it, where SGDM ceases to be better.
        log_posterior += special.log_ndtr(-cross / np.sqrt(precision))
    if cells.cut < len(x):
        log_posterior[family.crossings >= x[cells.cut]] = -np.inf
    density = np.exp(log_posterior - log_posterior.max()).sum(axis=1)
    return np.asarray(density / density.sum())
