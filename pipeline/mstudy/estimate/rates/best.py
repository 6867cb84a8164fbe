"""Best against best: each optimizer at its own best eta_ef, chosen on some seeds and compared on another.

Chosen and compared on the same seeds, the optimizer with more or noisier cells would win by luck.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import polars as pl

from mstudy.core.params import Estimate, Margins
from mstudy.core.statuses import BestStatus
from mstudy.pairs.rate_lines import Line, Mask, Matrix
from mstudy.pairs.seed_tests import p_equivalent, p_greater, p_less, t_interval
from mstudy.tables.contracts import BEST


def compare_best(lines: Sequence[Line], margins: Margins, estimate: Estimate) -> pl.DataFrame:
    """Return one row a line (tables.BEST). A seed counts where none of its runs is missing or was interrupted."""
    return BEST.frame([_row(line, margins, estimate) for line in lines])


def _row(line: Line, margins: Margins, estimate: Estimate) -> dict[str, object]:
    sgd, sgdm = (
        capped_losses(loss, diverged, margins.diverged)
        for loss, diverged in ((line.sgd, line.sgd_diverged), (line.sgdm, line.sgdm_diverged))
    )
    seeds = ~(np.isnan(sgd).any(axis=0) | np.isnan(sgdm).any(axis=0))
    sgd, sgdm = sgd[:, seeds], sgdm[:, seeds]
    n_seeds = int(seeds.sum())
    row: dict[str, object] = line.keys | {"n_seeds": n_seeds}
    if n_seeds < estimate.min_seeds or len(line.eta_ef) < 3:
        return row | {"status": BestStatus.INSUFFICIENT}
    best_sgd, best_sgdm = best_of_others(sgd), best_of_others(sgdm)
    held_out = np.arange(n_seeds)
    sample = np.clip(sgd[best_sgd, held_out] - sgdm[best_sgdm, held_out], -margins.diverged, margins.diverged)
    modes = [Counter(choice.tolist()).most_common(1)[0][0] for choice in (best_sgd, best_sgdm)]
    interval = t_interval(sample, estimate.alpha)
    edge = _edge(modes, len(line.eta_ef))
    return row | {
        "status": BestStatus.COMPARED if edge is None else BestStatus.AT_EDGE,
        "sgd_eta_ef": float(line.eta_ef[modes[0]]),
        "sgdm_eta_ef": float(line.eta_ef[modes[1]]),
        "log_ratio": float(sample.mean()),
        "ci_low": interval[1] if interval else None,
        "ci_high": interval[2] if interval else None,
        "equivalence_p": p_equivalent(sample, margins.advantage),
        "superiority_p": p_greater(sample, margins.advantage),
        "inferiority_p": p_less(sample, -margins.advantage),
        "at_edge": edge,
    }


def capped_losses(loss: Matrix, diverged: Mask, cap: float) -> Matrix:
    """Return log losses, (n_rates, n_seeds), at most the best cell's mean plus the cap; diverged runs are at that end.

    NaN where a run is missing. A seed in which every run diverged is at that end throughout.
    """
    logs = np.log(np.where(loss > 0, loss, np.nan))
    whole = ~(np.isnan(logs) | diverged)
    n = whole.sum(axis=1)
    if not n.any():
        return np.where(diverged, cap, np.nan)
    means = np.where(whole, logs, 0.0).sum(axis=1)[n > 0] / n[n > 0]
    worst = float(means.min()) + cap
    return np.where(diverged, worst, np.minimum(logs, worst))


def best_of_others(logs: Matrix) -> np.ndarray:
    """Return for each seed the index of the rate with the least mean log loss over the other seeds, (n_seeds,)."""
    sum_of_others = logs.sum(axis=1, keepdims=True) - logs
    return np.asarray(sum_of_others.argmin(axis=0))


def _edge(best: list[int], n_rates: int) -> str | None:
    sgd, sgdm = (index in (0, n_rates - 1) for index in best)
    if sgd and sgdm:
        return "both"
    return "sgd" if sgd else "sgdm" if sgdm else None
