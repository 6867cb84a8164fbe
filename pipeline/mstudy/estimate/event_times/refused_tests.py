"""Tests that a first analysis of coincidence would try, and that must not decide: they are reported, with the reason.

Why each is refused: `coincidence.py`. How often each is wrong: benchmarks/inference_events.md.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from mstudy.estimate.event_times.coincidence_tests import Times, Vector


def pooled_spearman(times: Times) -> tuple[float, float] | None:
    """Return the rank correlation over all pairs and its p-value."""
    if len(times.parting) < 3 or np.ptp(times.parting) == 0 or np.ptp(times.sharpening) == 0:
        return None
    test = stats.spearmanr(times.parting, times.sharpening)
    return float(test.statistic), float(test.pvalue)


def partial_spearman(times: Times) -> tuple[float, float] | None:
    """Return the rank correlation over all pairs with the ranks of eta_ef and b regressed out, and p.

    The p-value is of t with n - 2 - k degrees of freedom.
    """
    if len(times.parting) < 4:
        return None
    ranks = [stats.rankdata(v) for v in (times.parting, times.sharpening, times.log_eta, times.log_b)]
    controls = np.column_stack([np.ones(len(ranks[0])), *(r for r in ranks[2:] if np.ptp(r) > 0)])
    freedom = len(ranks[0]) - 1 - controls.shape[1]
    if freedom < 1:
        return None
    residuals = [r - controls @ np.linalg.lstsq(controls, r, rcond=None)[0] for r in ranks[:2]]
    norms = np.linalg.norm(residuals[0]) * np.linalg.norm(residuals[1])
    if norms < 1e-9:
        return None
    r = float(np.clip(residuals[0] @ residuals[1] / norms, -1 + 1e-12, 1 - 1e-12))
    return r, float(2 * stats.t.sf(abs(r) * np.sqrt(freedom / (1 - r**2)), freedom))


def pooled_permutation(times: Times, n_resamples: int, rng: np.random.Generator) -> tuple[float, float] | None:
    """Return the mean |log lag|, and p against exchanging sharpenings between all pairs."""
    if len(times.parting) < 3:
        return None
    observed = np.abs(times.lag).mean()
    orders = np.argsort(rng.random((n_resamples, len(times.parting))), axis=1)
    permuted = np.abs(times.parting - times.sharpening[orders]).mean(axis=1)
    return float(observed), (1 + int((permuted <= observed + 1e-9).sum())) / (n_resamples + 1)


def equivalence(lags: Vector, tolerance: float) -> float | None:
    """Return p of two one-sided t tests (Schuirmann 1987) that the mean lag is within the tolerance.

    Within: between log(1 - tolerance) and log(1 + tolerance).
    """
    if len(lags) < 2 or lags.std(ddof=1) == 0:
        return None
    error = lags.std(ddof=1) / len(lags) ** 0.5
    below = stats.t.sf((np.log1p(tolerance) - lags.mean()) / error, len(lags) - 1)
    above = stats.t.sf((lags.mean() - np.log1p(-tolerance)) / error, len(lags) - 1)
    return float(max(below, above))
