"""The mean-square stability law beside the measured stability limits.

eta_ef,max(b, mu) = (2/a) / (m(mu) + rho(b)), m = (1-mu)/(1+mu) for the heavy ball, rho ~ 1/b (Andreyev et al. 2026,
arXiv 2604.14108, one-dimensional random quadratic; docs/methods.md). Two numbers a setting, 2/a and rho at one
batch size, predict every limit. A third, the exponent of b, is fitted beside: 1 is the law, 0 no dependence on b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.core.params import Estimate
from mstudy.core.statuses import GridStatus, LawStatus
from mstudy.core.theory import batch_noise, deterministic_share
from mstudy.estimate.rates.stability_limits import (
    SPREADS,
    STEP,
    Limit,
    by_setting,
    find_limits,
    likelihood,
    limit_rows,
    limits_grid,
)
from mstudy.tables.contracts import LAW, STABILITY_LIMITS
from mstudy.tables.table import SETTING

_MIN_BATCH_SIZES, _MIN_MOMENTA = 3, 2
# A quadratic's law is not exact for a network: each limit is granted this spread about it, in log eta_ef.
_MODEL_SPREAD = 0.15
_NOISES = np.geomspace(0.003, 30.0, 25)  # candidates of rho at the middle batch size
_EXPONENTS = np.array([-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 0.625, 0.75, 0.875, 1.0, 1.125, 1.25, 1.5, 1.75, 2.0])
_EXPONENT_1 = int(np.flatnonzero(_EXPONENTS == 1.0)[0])
_EXPONENT_0 = int(np.flatnonzero(_EXPONENTS == 0.0)[0])
_MAX_LEVEL_RISE = 4.0  # log: how far 2/a may lie above the grid of limits
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Fit:
    """Of one setting. log_likelihood: (n_exponents, n_noises, n_levels), the spread profiled out.

    offsets: (n_exponents, n_noises, n_limits) of log limit from log 2/a; levels: candidates of log 2/a; free: log
    likelihood of free limits.
    """

    log_likelihood: NDArray[np.float64]
    offsets: NDArray[np.float64]
    levels: Vector
    free: float
    surfaces: NDArray[np.float64]
    grid: Vector


def measure_limits(runs: pl.DataFrame, estimate: Estimate) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return tables.STABILITY_LIMITS and tables.LAW, from tables.RUNS.

    A limit of an optimizer of which the law says nothing is measured like any other, but has no part in the law.
    """
    all_limits: list[dict[str, object]] = []
    laws: list[dict[str, object]] = []
    for setting, limits in by_setting(find_limits(runs)).items():
        rows = limit_rows(limits, estimate)
        covered = [k for k, limit in enumerate(limits) if _share_of(limit) is not None]
        usable = [rows[k] for k in covered]
        law = dict(zip(SETTING, setting, strict=True)) | {
            "n_limits": sum(r["status"] == GridStatus.ESTIMATED for r in usable)
        }
        law["status"] = LawStatus.NO_FORMULA if _can_be_fitted(rows, estimate) else LawStatus.INSUFFICIENT
        if _can_be_fitted(usable, estimate):
            used = [k for k in covered if rows[k]["status"] != GridStatus.INSUFFICIENT]
            fit = _fit([limits[k] for k in used])
            law |= {"status": LawStatus.FITTED} | _law_row(fit, int(law["n_limits"]), estimate)
            for k, prediction in zip(used, _predictions(fit, estimate), strict=True):
                value = rows[k].get("eta_ef_max")
                rows[k] = rows[k] | prediction
                if isinstance(value, float):
                    rows[k]["misfit"] = float(np.log(value / prediction["predicted"]))
        all_limits += rows
        laws.append(law)
    return STABILITY_LIMITS.frame(all_limits), LAW.frame(laws)


def _can_be_fitted(rows: Sequence[dict[str, object]], estimate: Estimate) -> bool:
    estimated = [row for row in rows if row["status"] == GridStatus.ESTIMATED]
    batch_sizes, momenta = ({row[name] for row in estimated} for name in ("batch_size", "momentum"))
    enough = len(estimated) >= estimate.min_limits
    return enough and len(batch_sizes) >= _MIN_BATCH_SIZES and len(momenta) >= _MIN_MOMENTA


def _share_of(limit: Limit) -> float | None:
    return deterministic_share(limit.keys["optimizer"], limit.keys["momentum"])


def _offsets(limits: Sequence[Limit]) -> NDArray[np.float64]:
    """Return -log(m + rho), (n_exponents, n_noises, n_limits); rho = noise * (rho(b) / rho(middle b)) ^ exponent."""
    share = np.array([_share_of(limit) for limit in limits], dtype=float)
    noise = np.array([batch_noise(limit.keys["batch_size"], limit.n_train) for limit in limits])
    noisy = noise > 0
    middle = float(np.exp(np.log(noise[noisy]).mean())) if noisy.any() else 1.0
    relative = np.where(noisy, noise / middle, 1.0)
    power = relative[None, :] ** _EXPONENTS[:, None]
    # Full batch has no noise; only "no dependence on b" treats it like the others.
    power = np.where(noisy[None, :] | (_EXPONENTS == 0)[:, None], power, 0.0)
    return np.asarray(-np.log(share + _NOISES[None, :, None] * power[:, None, :]))


def _fit(limits: Sequence[Limit]) -> _Fit:
    grid = limits_grid(limits)
    surfaces = np.stack([_blurred(likelihood(limit, grid)) for limit in limits])
    offsets = _offsets(limits)
    levels = np.arange(grid[0], grid[-1] + _MAX_LEVEL_RISE, STEP)
    total = np.zeros((*offsets.shape[:2], len(levels), len(SPREADS)), dtype=np.float32)
    for k in range(len(limits)):
        total += _look_up(surfaces[k], grid, levels + offsets[..., k, None])
    free = float(surfaces.max(axis=1).sum(axis=0).max())
    return _Fit(total.max(axis=-1).astype(float), offsets, levels, free, surfaces, grid)


def _blurred(surface: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the likelihood of a limit about its prediction, with the spread granted, (n_candidates, n_spreads)."""
    reach = int(4 * _MODEL_SPREAD / STEP)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * STEP / _MODEL_SPREAD) ** 2)
    padded = np.pad(surface, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    top = windows.max(axis=-1)
    return np.asarray(top + np.log(np.exp(windows - top[..., None]) @ (kernel / kernel.sum())))


def _look_up(surface: NDArray[np.float64], grid: Vector, at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the rows of the surface nearest to `at`, clipped at the ends of the grid, (*at.shape, n_spreads)."""
    rows = np.rint((at - grid[0]) / STEP).astype(np.int32)
    return np.asarray(np.take(surface.astype(np.float32), rows, axis=0, mode="clip"))


def _law_row(fit: _Fit, n_limits: int, estimate: Estimate) -> dict[str, object]:
    by_exponent = fit.log_likelihood.max(axis=(1, 2))
    law = fit.log_likelihood[_EXPONENT_1]
    noise, level = np.unravel_index(int(law.argmax()), law.shape)
    cut = law.max() - stats.chi2.ppf(1 - estimate.alpha, 1) / 2
    noises, levels = np.nonzero(law.max(axis=1) >= cut)[0], np.nonzero(law.max(axis=0) >= cut)[0]
    exponent = _exponent(by_exponent, estimate.alpha)
    wider = _exponent(by_exponent, 2 * estimate.alpha)
    return {
        "level": float(np.exp(fit.levels[level])),
        "level_low": float(np.exp(fit.levels[levels[0]])),
        "level_high": float(np.exp(fit.levels[levels[-1]])),
        "noise": float(_NOISES[noise]),
        "noise_low": float(_NOISES[noises[0]]),
        "noise_high": float(_NOISES[noises[-1]]),
        "exponent": exponent[0],
        "exponent_low": exponent[1],
        "exponent_high": exponent[2],
        "exponent_equivalence_low": wider[1],
        "exponent_equivalence_high": wider[2],
        "movement_p": float(stats.chi2.sf(max(2 * (by_exponent.max() - by_exponent[_EXPONENT_0]), 0.0), 1)),
        "exponent_p": float(stats.chi2.sf(max(2 * (by_exponent.max() - law.max()), 0.0), 1)),
        "misfit_p": float(stats.chi2.sf(max(2 * (fit.free - law.max()), 0.0), n_limits - 2)),
    }


def _exponent(profile: Vector, alpha: float) -> tuple[float, float, float]:
    """Return the estimate and its profile interval, linear between the exponents tried and bounded by them."""
    fine = np.linspace(_EXPONENTS[0], _EXPONENTS[-1], 601)
    curve = np.interp(fine, _EXPONENTS, profile)
    inside = fine[curve >= curve.max() - stats.chi2.ppf(1 - alpha, 1) / 2]
    return float(fine[curve.argmax()]), float(inside[0]), float(inside[-1])


def _predictions(fit: _Fit, estimate: Estimate) -> list[dict[str, float]]:
    """Return what the law says of each limit: the value and its profile interval."""
    law = fit.log_likelihood[_EXPONENT_1]
    noise, level = np.unravel_index(int(law.argmax()), law.shape)
    near = law >= law.max() - stats.chi2.ppf(1 - estimate.alpha, 1) / 2
    rows: list[dict[str, float]] = []
    for k in range(fit.offsets.shape[-1]):
        predicted = fit.levels[None, :] + fit.offsets[_EXPONENT_1, :, k, None]
        rows.append(
            {
                "predicted": float(np.exp(predicted[noise, level])),
                "predicted_low": float(np.exp(predicted[near].min())),
                "predicted_high": float(np.exp(predicted[near].max())),
            }
        )
    return rows
