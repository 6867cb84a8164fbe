"""Cells below and above the threshold, each seed's placed by the threshold of the other seeds.

A threshold estimated from a cell's own seeds moves with their noise: a cell that came out low is placed below, where it
looks equivalent. Left out of the threshold, a seed says of its cells what an independent one would.

Where SGD diverged the ratio is the cap, the largest there is: if SGDM is better at the other seeds, it is so at all.
Superiority is therefore tested on the others, whose spread is not that between them and the cap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import polars as pl

from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import GridStatus, Side
from mstudy.estimate.rates.joint_equivalence import doubtful_cells
from mstudy.estimate.rates.pooled_variance import Spread, moderated, p_equivalent_pooled
from mstudy.estimate.rates.thresholds import LineThreshold, find_threshold
from mstudy.pairs.rate_lines import Line, Mask, Matrix
from mstudy.pairs.seed_tests import p_equivalent_rows, p_greater_rows, t_interval_rows
from mstudy.tables.contracts import PLACEMENTS
from mstudy.tables.table import SETTING

_ENOUGH_UNCAPPED = 3  # seeds
_PLACING_SHARE = 0.4  # of alpha: a cell that is not equivalent may by its noise be placed nowhere
_SUMS_SHARE = 0.95  # of the level of equivalence, for the sums over cells; Simes' tests of the cells have the rest
_ENOUGH_FOR_SUMS = 5  # seeds; with three a sum has two degrees of freedom, and cells alone say more


def equivalence_level(alpha: float) -> float:
    """Return the level at which each cell below must be equivalent."""
    return (1 - _PLACING_SHARE) * alpha


def level_beside_sums(alpha: float) -> float:
    """Return what is left of it for Simes' tests where sums over cells are tested too."""
    return (1 - _SUMS_SHARE) * equivalence_level(alpha)


def place_cells(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """Return one row per cell and side on which at least one of its seeds is placed (tables.PLACEMENTS)."""
    cells = [_Cells(line, side, on) for line in lines for side, on in _sides(line, margins, estimate).items()]
    spreads = _lent_spreads(cells)
    rows = [_rows(each, spreads.get(k), margins, estimate) for k, each in enumerate(cells)]
    _add_doubtful(cells, rows, margins, estimate)
    return PLACEMENTS.frame([row for found in rows for row in found])


@dataclass(frozen=True)
class _Cells:
    """The cells of a line on one side. placed: which seed's value counts there, (n_rates, n_seeds)."""

    line: Line
    side: Side
    placed: Mask

    @property
    def values(self) -> Matrix:
        """Return the log ratios of the placed seeds."""
        return np.where(self.placed, self.line.ratio, np.nan)

    @property
    def compared(self) -> Matrix:
        """Return the log ratios of the placed seeds without ties of two diverged runs."""
        return np.where(self.line.sgd_diverged & self.line.sgdm_diverged, np.nan, self.values)

    @property
    def uncapped(self) -> Matrix:
        """Return the log ratios without those that are a cap because SGD diverged, where enough are left."""
        won = self.line.sgd_diverged & ~self.line.sgdm_diverged
        rest = np.where(won, np.nan, self.values)
        enough = (~np.isnan(rest)).sum(axis=1) >= _ENOUGH_UNCAPPED
        return np.where(enough[:, None], rest, self.values)

    @property
    def spread(self) -> Spread:
        """Return the variance of the placed seeds in cells in which none of their runs diverged."""
        diverged = (self.line.sgd_diverged | self.line.sgdm_diverged) & self.placed
        n = self.placed.sum(axis=1)
        freedom = np.where(diverged.any(axis=1), 0, np.maximum(n - 1, 0)).astype(float)
        mean = np.nansum(self.values, axis=1) / np.maximum(n, 1)
        squares = np.nansum((self.values - mean[:, None]) ** 2, axis=1)
        return Spread(squares / np.maximum(freedom, 1), freedom)


def _lent_spreads(cells: Sequence[_Cells]) -> dict[int, Spread]:
    """Return the spreads that the cells below lend each other within a setting, by the index of their line's cells."""
    settings: dict[tuple[object, ...], list[int]] = {}
    for k, each in enumerate(cells):
        if each.side is Side.BELOW:
            settings.setdefault(tuple(each.line.keys[key] for key in SETTING), []).append(k)
    lent: dict[int, Spread] = {}
    for indices in settings.values():
        lent |= dict(zip(indices, moderated([cells[k].spread for k in indices]), strict=True))
    return lent


def _sides(line: Line, margins: Margins, estimate: Estimate) -> dict[Side, Mask]:
    """Return for each side which seed's value counts there, (n_rates, n_seeds)."""
    sides = {side: np.zeros(line.ratio.shape, dtype=bool) for side in (Side.BELOW, Side.ABOVE)}
    for k, others in line.without_each_seed():
        low, high = span_of(find_threshold(others, margins, estimate, min_seeds=max(2, estimate.min_seeds - 1)))
        beyond = _beyond_a_better_cell(others, margins, estimate)
        sides[Side.BELOW][:, k] = (line.eta_ef < low) & ~beyond
        sides[Side.ABOVE][:, k] = (line.eta_ef > high) | beyond
    # Where both diverge in half of the pairs, the cell lies beyond what either can train at.
    tied = (line.sgd_diverged & line.sgdm_diverged).sum(axis=1) * 2 >= np.maximum(line.n, 1)
    usable = ~np.isnan(line.ratio) & ~tied[:, None]
    return {side: placed & usable for side, placed in sides.items()}


def _beyond_a_better_cell(line: Line, margins: Margins, estimate: Estimate) -> Mask:
    """Return the cells at higher rates than one in which SGDM is surely better, (n_rates,).

    They lie above, whatever their own ratio: the threshold of a line whose advantage is lost again and comes back would
    else lie beyond the cells in which it is lost.
    """
    better = p_greater_rows(line.ratio - line.error[:, None], margins.advantage) <= estimate.alpha
    return np.asarray(np.cumsum(better & line.whole) - (better & line.whole) > 0)


def span_of(threshold: LineThreshold) -> tuple[float, float]:
    """Return the two rates below and above which cells are placed."""
    match threshold.status:
        case GridStatus.INSUFFICIENT:
            return 0.0, np.inf
        case GridStatus.ABOVE_GRID:
            return np.inf, np.inf
        case GridStatus.BELOW_GRID:
            return 0.0, 0.0
        case GridStatus.ESTIMATED:
            assert threshold.ci_low is not None and threshold.ci_high is not None
            return threshold.ci_low, threshold.ci_high
        case _:
            assert_never(threshold.status)


def _rows(cells: _Cells, spread: Spread | None, margins: Margins, estimate: Estimate) -> list[dict[str, object]]:
    """Return the cells of one side, tested on the values of the seeds placed there. spread: that of all cells.

    What interpolation may be wrong by is taken off every margin and added to both ends of the interval.
    """
    line, placed, values = cells.line, cells.placed, cells.values
    error = line.error[:, None]
    margin = margins.advantage
    equivalence = p_equivalent_rows(cells.compared, margin - line.error)
    tests = {
        "equivalence_p": equivalence,
        "pooled_equivalence_p": np.full(len(values), np.nan)
        if spread is None
        else p_equivalent_pooled(values, spread, margin - line.error),
        "superiority_p": p_greater_rows(cells.uncapped - error, margin),
        "inferiority_p": p_greater_rows(-values - error, margin),
    }
    mean, low, high = t_interval_rows(values, estimate.alpha)
    columns = {"log_ratio": mean, "ci_low": low - line.error, "ci_high": high + line.error} | tests
    return [
        line.keys
        | {"eta_ef": float(line.eta_ef[k]), "side": cells.side, "matched": line.matched[k], "doubtful": None}
        | {"n_seeds": int(placed[k].sum())}
        | {name: None if np.isnan(column[k]) else float(column[k]) for name, column in columns.items()}
        for k in range(len(placed))
        if placed[k].any()
    ]


def _add_doubtful(
    cells: Sequence[_Cells], rows: Sequence[list[dict[str, object]]], margins: Margins, estimate: Estimate
) -> None:
    """Add to the cells below with enough seeds how many of them may not be equivalent, by sums over cells.

    Nothing is added where lines have different seeds, or fewer than five: a sum needs each of its seeds in each line.
    """
    found = [
        (each.line, row, each.compared[k], margins.advantage - each.line.error[k])
        for each, of_cells in zip(cells, rows, strict=True)
        if each.side is Side.BELOW
        for k, row in zip(np.flatnonzero(each.placed.any(axis=1)), of_cells, strict=True)
        if each.placed[k].sum() >= estimate.min_seeds
    ]
    seeds = {tuple(line.seeds) for line, *_ in found}
    if len(seeds) != 1 or len(*seeds) < _ENOUGH_FOR_SUMS:
        return
    p_values = np.array([_p_of(row) for _, row, *_ in found])
    values, ends = np.stack([each[2] for each in found]), np.array([each[3] for each in found])
    doubtful = doubtful_cells(values, ends, p_values, _SUMS_SHARE * equivalence_level(estimate.alpha))
    for (_, row, *_), n in zip(found, doubtful, strict=True):
        row["doubtful"] = int(n)


def _p_of(row: dict[str, object]) -> float:
    """Return the p-value of equivalence that counts, 1 without one."""
    known = (row[name] for name in ("pooled_equivalence_p", "equivalence_p"))
    return next((p for p in known if isinstance(p, float)), 1.0)
