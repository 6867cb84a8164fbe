"""Deferral: does an SGDM run meet abrupt sharpening later, or less often, than the SGD run of its pair?

Times are right-censored: at the end of what could be seen, and at divergence (a competing risk, counted apart). SGD
and SGDM of a pair share weights and batches, so the test exchanges them within pairs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.core.generators import generator_for
from mstudy.core.optimizers import SGD
from mstudy.core.params import Estimate
from mstudy.core.statuses import RunStatus, SharpeningStatus
from mstudy.estimate.event_times.hazard import hazard_ratio
from mstudy.estimate.event_times.survival import curve_frame, restricted_mean, survival_curve
from mstudy.estimate.event_times.swap_test import PairedTimes, swap_test
from mstudy.pairs.pairing import pair_runs
from mstudy.pairs.seed_tests import holm, t_interval
from mstudy.tables.contracts import DEFERRAL, SURVIVAL
from mstudy.tables.table import ALL, BLOCK, SETTING

_METHOD = ("optimizer", "momentum")


def measure_deferral(runs: pl.DataFrame, sharpenings: pl.DataFrame, estimate: Estimate) -> pl.DataFrame:
    """Return one row per optimizer, momentum and stratum: all pairs, and each batch size (tables.DEFERRAL)."""
    pairs = timed_pairs(runs, sharpenings)
    rows = []
    for (optimizer, momentum), same in pairs.group_by(_METHOD, maintain_order=True):
        for stratum, part in _strata(same):
            keys = {"stratum": stratum, "optimizer": optimizer, "momentum": momentum}
            rows.append(keys | _stratum(part, estimate))
    return _adjusted(DEFERRAL.frame(rows), estimate.alpha)


def rows_to_test(deferral: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """Return the rows of all pairs, one an optimizer and momentum, in which so many pairs differ that p can reach
    alpha: the smallest possible p-value is 2^(1 - n).
    """
    rows = deferral.filter(pl.col("stratum") == ALL).sort(*_METHOD)
    return rows.filter(2.0 ** (1 - pl.col("n_informative")) <= alpha)


def _adjusted(deferral: pl.DataFrame, alpha: float) -> pl.DataFrame:
    """Fill `p_adjusted`: Holm's, over the rows that can be tested."""
    tested = rows_to_test(deferral, alpha)
    adjusted = pl.Series("p_adjusted", holm(tested["p_value"].to_list()), dtype=pl.Float64)
    found = tested.select("stratum", *_METHOD).with_columns(adjusted)
    return deferral.drop("p_adjusted").join(found, on=["stratum", *_METHOD], how="left").select(deferral.columns)


def measure_survival(runs: pl.DataFrame, sharpenings: pl.DataFrame) -> pl.DataFrame:
    """Return curves for each setting, stratum and method (tables.SURVIVAL): SGD once, and each SGDM of its pairs."""
    pairs = timed_pairs(runs, sharpenings)
    frames = [SURVIVAL.frame([])]
    for setting, same in pairs.group_by(SETTING, maintain_order=True):
        for stratum, part in _strata(same):
            arms = [((SGD, 0.0), _arm(part.unique("sgd_run_id", maintain_order=True), 0))]
            arms += [(key, _arm(cell, 1)) for key, cell in part.group_by(_METHOD, maintain_order=True)]
            for (optimizer, momentum), (time, event, diverged) in arms:
                keys = dict(zip(SETTING, setting, strict=True))
                keys |= {"stratum": stratum, "optimizer": optimizer, "momentum": momentum}
                curve = curve_frame(survival_curve(time, event, diverged))
                frames.append(
                    curve.with_columns(**{k: pl.lit(v) for k, v in keys.items()}).select(SURVIVAL.schema.names())
                )
    return pl.concat(frames).sort(SURVIVAL.key)


def timed_pairs(runs: pl.DataFrame, sharpenings: pl.DataFrame) -> pl.DataFrame:
    """Return the pairs with `time_0`, `event_0`, `diverged_0`, `followup_0` of SGD and `..._1` of SGDM.

    Pairs without curvature are left out. The follow-up of a run ends at its divergence. The follow-up of a block ends
    where the first of its runs without an event could no longer have shown one. A later event is not counted: a log
    that grows denser at a jump shows later events than a log that does not.
    """
    fates = runs.join(sharpenings, on="run_id", suffix="_sharpening").select(
        "run_id",
        (pl.col("status_sharpening") == SharpeningStatus.DETECTED).alias("event"),
        (pl.col("status") == RunStatus.DIVERGED).alias("diverged"),
        pl.coalesce("step", "diverged_step", "followup_step", pl.col("last_step").cast(pl.Float64)).alias("time"),
        pl.coalesce("diverged_step", "followup_step", pl.col("last_step").cast(pl.Float64)).alias("followup"),
        (pl.col("status_sharpening") != SharpeningStatus.NO_CURVATURE).alias("seen"),
    )
    pairs = pair_runs(runs)
    for suffix, side in (("0", "sgd_run_id"), ("1", "sgdm_run_id")):
        renamed = fates.rename({c: f"{c}_{suffix}" for c in fates.columns if c != "run_id"})
        pairs = pairs.join(renamed, left_on=side, right_on="run_id")
    pairs = pairs.filter(pl.col("seen_0") & pl.col("seen_1"))
    return _up_to_common_end(pairs).sort(*BLOCK, *_METHOD, "seed")


def _up_to_common_end(pairs: pl.DataFrame) -> pl.DataFrame:
    ends = [pl.col(f"followup_{k}").filter(~pl.col(f"event_{k}") & ~pl.col(f"diverged_{k}")).min() for k in (0, 1)]
    end = pl.min_horizontal(*(e.over(BLOCK) for e in ends)).fill_null(float("inf"))
    pairs = pairs.with_columns(end.alias("end"))
    for k in (0, 1):
        time, event, diverged, followup = (pl.col(f"{name}_{k}") for name in ("time", "event", "diverged", "followup"))
        beyond = time > pl.col("end")
        pairs = pairs.with_columns(
            pl.min_horizontal(time, "end").alias(f"time_{k}"),
            pl.min_horizontal(followup, "end").alias(f"followup_{k}"),
            (event & ~beyond).alias(f"event_{k}"),
            (diverged & ~(followup > pl.col("end"))).alias(f"diverged_{k}"),
        )
    return pairs.drop("end")


def paired_times(pairs: pl.DataFrame) -> PairedTimes:
    """Return `timed_pairs` as arrays; a cell is a block, because each momentum is looked at by itself."""
    return PairedTimes(
        pairs.select("time_0", "time_1").to_numpy(),
        pairs.select("event_0", "event_1").to_numpy(),
        pairs.select("diverged_0", "diverged_1").to_numpy(),
        pairs.select(pl.struct(BLOCK).rank("dense")).to_series().cast(pl.Int64).to_numpy(),
    )


def _strata(pairs: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    by_batch = pairs.group_by("batch_size", maintain_order=True)
    return [(ALL, pairs), *((f"b = {batch_size}", part) for (batch_size,), part in by_batch)]


def _arm(pairs: pl.DataFrame, side: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    time, event, diverged = (pairs[f"{name}_{side}"].to_numpy() for name in ("time", "event", "diverged"))
    return time, event, diverged


def _stratum(pairs: pl.DataFrame, estimate: Estimate) -> dict[str, object]:
    times = paired_times(pairs)
    swap = swap_test(times, estimate.resamples, generator_for("swap", estimate.seed))
    horizon = float(times.time.max(axis=0).min())
    hazard = hazard_ratio(times, estimate.alpha)
    diverged_first = times.diverged & ~times.event
    return {
        "n_sgd": len(pairs),
        "n_sgdm": len(pairs),
        **{f"events_{side}": int(times.event[:, k].sum()) for k, side in enumerate(("sgd", "sgdm"))},
        **{f"diverged_{side}": int(diverged_first[:, k].sum()) for k, side in enumerate(("sgd", "sgdm"))},
        "events_sgdm_alone": int((times.event[:, 1] & diverged_first[:, 0]).sum()),
        "hazard_ratio": hazard.ratio,
        "ci_low": hazard.low,
        "ci_high": hazard.high,
        "hazard_by": hazard.by,
        "p_value": swap.p_value,
        "score": swap.score,
        "n_informative": swap.n_informative,
        "restricted_mean_sgd": restricted_mean(times.time[:, 0], times.event[:, 0], horizon),
        "restricted_mean_sgdm": restricted_mean(times.time[:, 1], times.event[:, 1], horizon),
        "horizon": horizon,
        **_ratios("restricted_ratio", restricted_log_ratios(times), estimate.alpha),
        **_prevention(pairs),
        **_delay_given_both_events(times, estimate.alpha),
    }


def _ratios(name: str, logs: NDArray[np.float64], alpha: float) -> dict[str, Any]:
    """Return a mean of log ratios over cells as a ratio with Student's interval."""
    interval = t_interval(logs, alpha)
    mean = float(np.exp(logs.mean())) if len(logs) else None
    low, high = (float(np.exp(interval[1])), float(np.exp(interval[2]))) if interval else (None, None)
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


def restricted_log_ratios(times: PairedTimes) -> NDArray[np.float64]:
    """Return log of SGDM's over SGD's restricted mean time, of each cell that has an event, (n_cells,).

    Each cell has its own horizon, the last step at which a run of either side was still at risk.
    """
    logs = []
    for cell in np.unique(times.cell[times.event.any(axis=1)]):
        part = times.where(times.cell == cell)
        horizon = float(part.time.max(axis=0).min())
        sgd, sgdm = (restricted_mean(part.time[:, k], part.event[:, k], horizon) for k in (0, 1))
        logs.append(np.log(max(sgdm, 1.0) / max(sgd, 1.0)))
    return np.array(logs)


def _prevention(pairs: pl.DataFrame) -> dict[str, Any]:
    """Test whether runs ever sharpen while both of their pair were followed: McNemar's exact test."""
    common = pl.min_horizontal("followup_0", "followup_1")
    ever = pairs.select(*((pl.col(f"event_{k}") & (pl.col(f"time_{k}") <= common)).alias(f"ever_{k}") for k in (0, 1)))
    sgd, sgdm = ever["ever_0"].to_numpy(), ever["ever_1"].to_numpy()
    only_sgd, only_sgdm = int((sgd & ~sgdm).sum()), int((sgdm & ~sgd).sum())
    n = only_sgd + only_sgdm
    p_value = float(stats.binomtest(only_sgd, n).pvalue) if n else None
    return {"only_sgd": only_sgd, "only_sgdm": only_sgdm, "p_prevention": p_value}


def _delay_given_both_events(times: PairedTimes, alpha: float) -> dict[str, Any]:
    """Return how many times later SGDM sharpens, over the pairs in which both do.

    Late events are cut off by the end of the runs, so the ratio is too near to 1.
    """
    both = times.event.all(axis=1)
    logs = np.log(np.maximum(times.time[both], 1.0))
    lags, cells = logs[:, 1] - logs[:, 0], times.cell[both]
    means = np.array([lags[cells == cell].mean() for cell in np.unique(cells)])
    return {"n_both": int(both.sum()), **_ratios("time_ratio", means, alpha)}
