"""Stability limits: the largest effective learning rate that trains, per batch size and optimizer, plain SGD included.

Each seed knows its limit to a bracket of the grid. The brackets of all limits of a setting share one spread between
seeds; everything else is profile likelihood on a grid, so that no optimizer can fail. docs/methods.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special, stats

from mstudy.core.params import Estimate
from mstudy.core.statuses import GridStatus, RunStatus
from mstudy.pairs.pairing import main_runs
from mstudy.tables.table import LINE, SETTING

# Spreads between seeds, in log eta_ef, and the step and overhang of the grid of limits.
SPREADS = np.geomspace(0.02, 1.0, 8)
STEP, _OVERHANG = 0.05, 2.0
_FLAT_TOP = 0.05  # log likelihood: candidates so near to the best are as good
_LOG_PROBABILITY_FLOOR = -690.0
Vector = NDArray[np.float64]
Surface = NDArray[np.float64]


@dataclass(frozen=True)
class Limit:
    """One limit. low, high: (n_seeds,) log eta_ef around each seed's own limit, infinite beyond the grid."""

    keys: dict[str, Any]
    n_train: int | None
    low: Vector
    high: Vector

    @property
    def inside(self) -> bool:
        """True if the grid holds the limit: some seed trains and some seed diverges."""
        return bool(np.isfinite(self.low).any() and np.isfinite(self.high).any())


def find_limits(runs: pl.DataFrame) -> list[Limit]:
    """Find the brackets of every line of tables.RUNS, sorted by LINE. Interrupted runs say nothing."""
    ended = (
        main_runs(runs)
        .filter(pl.col("status").is_in([RunStatus.COMPLETED, RunStatus.DIVERGED]))
        .sort(*LINE, "seed", "eta_ef")
    )
    return [_limit(line) for line in ended.partition_by(LINE, maintain_order=True)]


def _limit(line: pl.DataFrame) -> Limit:
    low, high = [], []
    for seed in line.partition_by("seed", maintain_order=True):
        x, diverged = np.log(seed["eta_ef"].to_numpy()), (seed["status"] == RunStatus.DIVERGED).to_numpy()
        first = int(diverged.argmax()) if diverged.any() else len(x)
        low.append(x[first - 1] if first > 0 else -np.inf)
        high.append(x[first] if first < len(x) else np.inf)
    return Limit(line.select(LINE).row(0, named=True), line["n_train"][0], np.array(low), np.array(high))


def limits_grid(limits: Sequence[Limit]) -> Vector:
    """Return candidate limits, log eta_ef, (n_candidates,)."""
    ends = np.concatenate([np.concatenate([limit.low, limit.high]) for limit in limits])
    ends = ends[np.isfinite(ends)]
    return np.arange(ends.min() - _OVERHANG, ends.max() + _OVERHANG, STEP)


def likelihood(limit: Limit, grid: Vector) -> Surface:
    """Return the log likelihood of each (candidate, spread), (n_candidates, n_spreads)."""
    # A pattern of seeds occurs many times; each bracket is evaluated once.
    brackets, counts = np.unique(np.stack([limit.low, limit.high]), axis=1, return_counts=True)
    surface = np.zeros((len(grid), len(SPREADS)))
    for (low, high), count in zip(brackets.T, counts, strict=True):
        above = special.ndtr((high - grid[:, None]) / SPREADS)
        below = special.ndtr((low - grid[:, None]) / SPREADS)
        surface += count * np.log(np.maximum(above - below, np.exp(_LOG_PROBABILITY_FLOOR)))
    return surface


def limit_rows(limits: Sequence[Limit], estimate: Estimate) -> list[dict[str, object]]:
    """Return rows of tables.STABILITY_LIMITS for the limits of one setting, without the law's columns."""
    if not any(limit.inside for limit in limits):
        return [_row(limit, None, np.zeros(0), estimate) for limit in limits]
    grid = limits_grid(limits)
    surfaces = [likelihood(limit, grid) for limit in limits]
    best = np.array([surface.max(axis=0) for surface in surfaces])
    others = best.sum(axis=0) - best
    profiles = [(s + o).max(axis=1) for s, o in zip(surfaces, others, strict=True)]
    return [_row(limit, profile, grid, estimate) for limit, profile in zip(limits, profiles, strict=True)]


def _row(limit: Limit, profile: Vector | None, grid: Vector, estimate: Estimate) -> dict[str, object]:
    n_seeds = len(limit.low)
    every_seed_trains, every_seed_diverges = limit.low.min(), limit.high.max()
    row: dict[str, object] = limit.keys | {
        "eta_ef_stable": _rate(every_seed_trains),
        "eta_ef_unstable": _rate(every_seed_diverges),
        "n_seeds": n_seeds,
    }
    if n_seeds < estimate.min_seeds:
        return row | {"status": GridStatus.INSUFFICIENT}
    if not limit.inside or profile is None:
        return row | {"status": GridStatus.ABOVE_GRID if np.isinf(limit.high).all() else GridStatus.BELOW_GRID}
    flat = grid[profile >= profile.max() - _FLAT_TOP]
    inside = grid[profile >= profile.max() - stats.chi2.ppf(1 - estimate.alpha, 1) / 2]
    return row | {
        "status": GridStatus.ESTIMATED,
        "eta_ef_max": float(np.exp((flat[0] + flat[-1]) / 2)),
        "ci_low": float(np.exp(inside[0] - STEP)),
        "ci_high": float(np.exp(inside[-1] + STEP)),
    }


def _rate(log_rate: float) -> float | None:
    """Return the rate as the grid has it: six digits, like tables.RUNS; None beyond the grid."""
    return float(f"{np.exp(log_rate):.6g}") if np.isfinite(log_rate) else None


def by_setting(limits: Sequence[Limit]) -> dict[tuple[Any, ...], list[Limit]]:
    """Group the limits by setting: one law describes each group."""
    groups: dict[tuple[Any, ...], list[Limit]] = {}
    for limit in limits:
        groups.setdefault(tuple(limit.keys[name] for name in SETTING), []).append(limit)
    return groups
