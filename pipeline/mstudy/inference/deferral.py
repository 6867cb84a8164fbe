"""Deferral: does an SGDM run meet abrupt sharpening later, or less often, than the SGD run of its pair?

Times are right-censored: at the end of what could be seen, and at divergence (a competing risk, counted apart). SGD
and SGDM of a pair share weights and batches, so the test exchanges them within pairs.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.duration.survfunc import SurvfuncRight

from mstudy.events.detect import generator_for
from mstudy.inference.pairs import pair_runs
from mstudy.params import Estimate
from mstudy.tables import BLOCK, DEFERRAL

ALL = "all"


@dataclass(frozen=True)
class PairedTimes:
    """Column 0 is SGD, column 1 SGDM. time: (n_pairs, 2); event, diverged: (n_pairs, 2) bool; cell: (n_pairs,)."""

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    cell: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> PairedTimes:
        """The pairs of a stratum."""
        return PairedTimes(self.time[mask], self.event[mask], self.diverged[mask], self.cell[mask])


def measure_deferral(runs: pl.DataFrame, sharpenings: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """One row per momentum and stratum: all pairs, and each batch size (tables.DEFERRAL)."""
    pairs = _with_times(pair_runs(runs), runs, sharpenings)
    rows = []
    for (momentum,), same in pairs.group_by("momentum", maintain_order=True):
        rows.append({"stratum": ALL, "momentum": momentum, **_stratum(same, estimate)})
        for (batch_size,), part in same.group_by("batch_size", maintain_order=True):
            rows.append({"stratum": f"b = {batch_size}", "momentum": momentum, **_stratum(part, estimate)})
    return DEFERRAL.frame(rows)


def swap_test(times: PairedTimes, n_resamples: int, rng: np.random.Generator) -> float | None:
    """Two-sided p of the log-rank score stratified by cell, exchanging SGD and SGDM within pairs.

    Null: within a pair the two are exchangeable. Right also when one side has no event at all, where Cox's Wald
    test fails. None without an event.
    """
    if not times.event.any():
        return None
    swaps = rng.random((n_resamples + 1, len(times.time))) < 0.5
    swaps[0] = False  # the first row is what was observed
    score = np.zeros(n_resamples + 1)
    for cell in np.unique(times.cell):
        mask = times.cell == cell
        score += _log_rank_score(times.time[mask], times.event[mask], swaps[:, mask])
    return float((np.abs(score) >= abs(score[0]) - 1e-9).mean())


def _log_rank_score(
    time: NDArray[np.float64], event: NDArray[np.bool_], swaps: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Events of the first column less those expected, (n_swaps,), in one cell of (n_pairs, 2) times."""
    score = np.zeros(len(swaps))
    for moment in np.unique(time[event]):
        at_risk, now = time >= moment, event & (time == moment)
        first_at_risk = np.where(swaps, at_risk[:, 1], at_risk[:, 0]).sum(axis=1)
        first_now = np.where(swaps, now[:, 1], now[:, 0]).sum(axis=1)
        score += first_now - now.sum() * first_at_risk / at_risk.sum()
    return score


def _with_times(pairs: pl.DataFrame, runs: pl.DataFrame, sharpenings: pl.DataFrame) -> pl.DataFrame:
    """Pairs with `time_0`, `event_0`, `diverged_0` of SGD and `..._1` of SGDM; pairs without curvature are left out."""
    fates = runs.join(sharpenings, on="run_id", suffix="_sharpening").select(
        "run_id",
        (pl.col("status_sharpening") == "detected").alias("event"),
        (pl.col("status") == "diverged").alias("diverged"),
        pl.coalesce("step", "diverged_step", "followup_step", pl.col("last_step").cast(pl.Float64)).alias("time"),
        (pl.col("status_sharpening") != "no_curvature").alias("seen"),
    )
    for suffix, side in (("0", "sgd_run_id"), ("1", "sgdm_run_id")):
        renamed = fates.rename({c: f"{c}_{suffix}" for c in ("event", "diverged", "time", "seen")})
        pairs = pairs.join(renamed, left_on=side, right_on="run_id")
    return pairs.filter(pl.col("seen_0") & pl.col("seen_1")).sort(*BLOCK, "momentum", "seed")


def _stratum(pairs: pl.DataFrame, estimate: Estimate) -> dict[str, object]:
    times = PairedTimes(
        pairs.select("time_0", "time_1").to_numpy(),
        pairs.select("event_0", "event_1").to_numpy(),
        pairs.select("diverged_0", "diverged_1").to_numpy(),
        pairs.select(pl.struct(BLOCK).rank("dense")).to_series().cast(pl.Int64).to_numpy(),
    )
    rng = generator_for("swap", estimate.seed)
    horizon = float(times.time.max())
    ratio, low, high = hazard_ratio(times)
    return {
        "n_sgd": len(pairs),
        "n_sgdm": len(pairs),
        **{f"events_{side}": int(times.event[:, k].sum()) for k, side in enumerate(("sgd", "sgdm"))},
        **{f"diverged_{side}": int(times.diverged[:, k].sum()) for k, side in enumerate(("sgd", "sgdm"))},
        "hazard_ratio": ratio,
        "ci_low": low,
        "ci_high": high,
        "p_value": swap_test(times, estimate.resamples, rng),
        "restricted_mean_sgd": restricted_mean(times.time[:, 0], times.event[:, 0], horizon),
        "restricted_mean_sgdm": restricted_mean(times.time[:, 1], times.event[:, 1], horizon),
        "horizon": horizon,
    }


def hazard_ratio(times: PairedTimes) -> tuple[float | None, float | None, float | None]:
    """SGDM against SGD with 95 % interval: Cox, stratified by cell, variance clustered by pair (statsmodels).

    Without an event on either side there is no finite estimate: the ratio is 0 (none under SGDM) or null, the
    interval null; the swap test still decides.
    """
    events = times.event.sum(axis=0)
    if events[0] == 0 or events[1] == 0:
        return (0.0 if events[0] > 0 else None), None, None
    # A cell without an event has no say in Cox's likelihood, and statsmodels answers NaN when it is there.
    informative = np.isin(times.cell, times.cell[times.event.any(axis=1)])
    kept = times.where(informative)
    momentum = np.tile([0.0, 1.0], len(kept.time))
    pair, cell = np.repeat(np.arange(len(kept.time)), 2), np.repeat(kept.cell, 2)
    model = PHReg(kept.time.ravel(), momentum[:, None], status=kept.event.ravel().astype(int), strata=cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # separation shows as a non-finite interval, handled below
        fit = model.fit(groups=pair)
    bounds = np.exp([fit.params[0], *fit.conf_int()[0]])
    if not np.all(np.isfinite(bounds)):
        return None, None, None
    return float(bounds[0]), float(bounds[1]), float(bounds[2])


def restricted_mean(time: NDArray[np.float64], event: NDArray[np.bool_], horizon: float) -> float:
    """Mean time without the event up to `horizon`: the area under the Kaplan-Meier curve (statsmodels)."""
    if not event.any():
        return horizon
    curve = SurvfuncRight(time, event.astype(int))
    edges = np.concatenate([[0.0], np.minimum(curve.surv_times, horizon), [horizon]])
    heights = np.concatenate([[1.0], curve.surv_prob])
    return float((np.diff(edges) * heights).sum())
