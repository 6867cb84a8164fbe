"""Best against best: each optimizer at its own best eta_ef, chosen on some seeds and compared on another.

Chosen and compared on the same seeds, the optimizer with more or noisier cells would win by luck.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale, has_level, level_of
from mstudy.core.optimizers import SGD
from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import BestStatus
from mstudy.pairs.pairing import main_runs
from mstudy.pairs.rate_lines import Mask, Matrix
from mstudy.pairs.seed_tests import p_equivalent, p_greater, p_less, t_interval
from mstudy.tables.contracts import BEST
from mstudy.tables.table import LINE, SETTING

_PLACE = (*SETTING, "batch_size")
_MIN_RATES = 3  # of each optimizer: one that is no end of its grid


def compare_best(runs: pl.DataFrame, margins: Margins, estimate: Estimate, scale: Scale = Scale.LOG) -> pl.DataFrame:
    """Return one row a line (tables.BEST), from tables.RUNS. The two optimizers need not share a learning rate.

    The losses of `runs` are as `in_units` returns them. A seed counts where none of its runs is missing or was
    interrupted.
    """
    runs = main_runs(runs)
    sgd = runs.filter(pl.col("optimizer") == SGD).partition_by(_PLACE, as_dict=True)
    sgdm = runs.filter(pl.col("optimizer") != SGD).sort(LINE).partition_by(LINE, maintain_order=True)
    pairs = [(sgd[place], own) for own in sgdm if (place := own.select(_PLACE).row(0)) in sgd]
    return BEST.frame([_row(rival, own, margins, estimate, scale) for rival, own in pairs])


@dataclass(frozen=True)
class _Losses:
    """Capped levels of one optimizer's losses, (n_rates, n_seeds), NaN where a run is missing or was interrupted."""

    eta_ef: NDArray[np.float64]
    levels: Matrix

    @classmethod
    def of(cls, runs: pl.DataFrame, seeds: pl.Series, cap: float, scale: Scale) -> _Losses:
        """Arrange tables.RUNS of one optimizer, batch size and momentum by rate and by these seeds."""
        rates, rows = np.unique(runs["eta_ef"].to_numpy(), return_inverse=True)
        columns = np.searchsorted(seeds.to_numpy(), runs["seed"].to_numpy())
        loss, diverged = np.full((len(rates), len(seeds)), np.nan), np.zeros((len(rates), len(seeds)), dtype=bool)
        loss[rows, columns] = runs["final_loss"].to_numpy()
        diverged[rows, columns] = runs["diverged_step"].is_not_null().to_numpy()
        return cls(rates, capped_losses(loss, diverged, cap, scale))

    def best(self, seeds: Mask) -> tuple[NDArray[np.intp], Matrix]:
        """Return for each of these seeds the rate that is best for the others, and its loss there."""
        levels = self.levels[:, seeds]
        chosen = best_of_others(levels)
        return chosen, levels[chosen, np.arange(levels.shape[1])]


def _row(
    rival: pl.DataFrame, own: pl.DataFrame, margins: Margins, estimate: Estimate, scale: Scale
) -> dict[str, object]:
    seeds = pl.concat([rival["seed"], own["seed"]]).unique().sort()
    sgd, sgdm = (_Losses.of(runs, seeds, margins.diverged, scale) for runs in (rival, own))
    whole = np.asarray(~(np.isnan(sgd.levels).any(axis=0) | np.isnan(sgdm.levels).any(axis=0)))
    row: dict[str, object] = own.select(LINE).row(0, named=True) | {"n_seeds": int(whole.sum())}
    if whole.sum() < estimate.min_seeds or min(len(sgd.eta_ef), len(sgdm.eta_ef)) < _MIN_RATES:
        return row | {"status": BestStatus.INSUFFICIENT} | _best_of_few(sgd, sgdm, whole)
    (best_sgd, sgd_levels), (best_sgdm, sgdm_levels) = sgd.best(whole), sgdm.best(whole)
    sample = np.clip(sgd_levels - sgdm_levels, -margins.diverged, margins.diverged)
    modes = [Counter(choice.tolist()).most_common(1)[0][0] for choice in (best_sgd, best_sgdm)]
    interval = t_interval(sample, estimate.alpha)
    edge = _edge(modes[0] in (0, len(sgd.eta_ef) - 1), modes[1] in (0, len(sgdm.eta_ef) - 1))
    return row | {
        "status": BestStatus.COMPARED if edge is None else BestStatus.AT_EDGE,
        "sgd_eta_ef": float(sgd.eta_ef[modes[0]]),
        "sgdm_eta_ef": float(sgdm.eta_ef[modes[1]]),
        "log_ratio": float(sample.mean()),
        "ci_low": interval[1] if interval else None,
        "ci_high": interval[2] if interval else None,
        "equivalence_p": p_equivalent(sample, margins.advantage),
        "superiority_p": p_greater(sample, margins.advantage),
        "inferiority_p": p_less(sample, -margins.advantage),
        "at_edge": edge,
    }


def _best_of_few(sgd: _Losses, sgdm: _Losses, seeds: Mask) -> dict[str, object]:
    """Return the best rates over all seeds, and the ratio there: no test, for the same seeds chose the rates."""
    if not seeds.any() or min(len(sgd.eta_ef), len(sgdm.eta_ef)) < _MIN_RATES:
        return {}
    bests = [(losses.eta_ef, losses.levels[:, seeds].mean(axis=1)) for losses in (sgd, sgdm)]
    (sgd_rate, sgd_best), (sgdm_rate, sgdm_best) = ((rates[k := means.argmin()], means[k]) for rates, means in bests)
    return {"sgd_eta_ef": float(sgd_rate), "sgdm_eta_ef": float(sgdm_rate), "log_ratio": float(sgd_best - sgdm_best)}


def capped_losses(loss: Matrix, diverged: Mask, cap: float, scale: Scale = Scale.LOG) -> Matrix:
    """Return levels of losses, (n_rates, n_seeds), at most the best cell's mean plus the cap.

    Diverged runs are at that end. NaN where a run is missing. A seed in which every run diverged is at that end
    throughout.
    """
    levels = level_of(np.where(has_level(loss, scale), loss, np.nan), scale)
    whole = ~(np.isnan(levels) | diverged)
    n = whole.sum(axis=1)
    if not n.any():
        return np.where(diverged, cap, np.nan)
    means = np.where(whole, levels, 0.0).sum(axis=1)[n > 0] / n[n > 0]
    worst = float(means.min()) + cap
    return np.where(diverged, worst, np.minimum(levels, worst))


def best_of_others(levels: Matrix) -> np.ndarray:
    """Return for each seed the index of the rate with the least mean level over the other seeds, (n_seeds,)."""
    sum_of_others = levels.sum(axis=1, keepdims=True) - levels
    return np.asarray(sum_of_others.argmin(axis=0))


def _edge(sgd: bool, sgdm: bool) -> str | None:
    if sgd and sgdm:
        return "both"
    return "sgd" if sgd else "sgdm" if sgdm else None
