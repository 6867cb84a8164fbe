"""C4 and C5 where their tests have too little to go on: which events were seen, and how far apart."""

from __future__ import annotations

import math

import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.core.statuses import PARTED_OR_DIVERGED, CrossingStatus, PartingStatus, SharpeningStatus
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.small_studies.words import listed
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.pairs.pairing import main_runs
from mstudy.tables.contracts import OPENINGS, PARTINGS, RUNS, SHARPENING_EVENTS, SHARPENINGS


def moments_seen(evidence: Evidence) -> str:
    """Say which runs sharpen, which pairs part and how far apart, with a space behind it; empty without runs."""
    if evidence[RUNS].is_empty():
        return ""
    return f"{_first(evidence)}; {_parted(evidence[PARTINGS])}{_ratios(evidence)}. "


def runs_sharpened(evidence: Evidence) -> str:
    """Say how many runs of SGD and of SGDM sharpen, with a space behind it; empty without runs."""
    if evidence[RUNS].is_empty():
        return ""
    return f"{_first(evidence)}; {_sharpened(evidence, of_sgd=False)}. "


def unmeasured(evidence: Evidence) -> str:
    """Say so where no run of SGD has what sharpening is looked for in; empty where one has."""
    if len(_measured(evidence, of_sgd=True)) or evidence[RUNS].is_empty():
        return ""
    return "no run of SGD has enough values of the curvature, or of what `detect.quantity` names instead"


def _measured(evidence: Evidence, of_sgd: bool) -> pl.DataFrame:
    """Return the sharpenings of the runs of one side in which sharpening can be seen."""
    found = _judged(evidence, of_sgd)
    return found.filter(pl.col("status").is_in([SharpeningStatus.DETECTED, SharpeningStatus.NONE]))


def _judged(evidence: Evidence, of_sgd: bool) -> pl.DataFrame:
    """Return the sharpenings of the runs of one side, of those that are too short to tell too."""
    is_sgd = pl.col("optimizer") == SGD
    runs = main_runs(evidence[RUNS]).filter(is_sgd if of_sgd else ~is_sgd).select("run_id")
    return evidence[SHARPENINGS].join(runs, on="run_id", how="semi")


def _longest(evidence: Evidence, of_sgd: bool) -> str:
    """Say so where runs have values of the curvature, but too few to be judged."""
    most = max(_judged(evidence, of_sgd)["n_points"].drop_nulls().to_list(), default=0)
    return f" for long enough: the most values of a run are {most}, fewer than `detect.min_points`" if most else ""


def _first(evidence: Evidence) -> str:
    told = _sharpened(evidence, of_sgd=True)
    return told[0].upper() + told[1:]


def _sharpened(evidence: Evidence, of_sgd: bool) -> str:
    name, measured = "SGD" if of_sgd else "SGDM", _measured(evidence, of_sgd)
    if measured.is_empty():
        return f"in no run of {name} was the curvature followed{_longest(evidence, of_sgd)}"
    detected = measured.filter(pl.col("status") == SharpeningStatus.DETECTED).sort("step")
    told = f"{name} sharpens abruptly in {len(detected)} of {len(measured)} runs{_at(detected['step'])}"
    return told if len(detected) else told + _crossed(measured)


def _crossed(measured: pl.DataFrame) -> str:
    """Say in how many runs that do not sharpen abruptly the curvature crosses its stability line."""
    crossed = measured.filter(pl.col("crossing_status") == CrossingStatus.CROSSED)["crossing_step"].sort()
    return f", but comes above its stability line in {len(crossed)}{_at(crossed)}" if len(crossed) else ""


def _at(steps: pl.Series) -> str:
    return f", at steps {listed([f'{step:.0f}' for step in steps])}" if len(steps) else ""


def _parted(pairs: pl.DataFrame) -> str:
    """Say how many pairs part, of those of which it can be told."""
    known = pairs.filter(~pl.col("status").is_in([PartingStatus.INSUFFICIENT, PartingStatus.NO_LAG]))
    if known.is_empty() and len(pairs):
        return f"of none of {len(pairs)} pairs it can be told whether they part (too few seeds or points)"
    parted = known.filter(pl.col("status").is_in(PARTED_OR_DIVERGED))
    untold = len(pairs) - len(known)
    of_others = f" ({untold} more have too few seeds or points to tell)" if untold else ""
    return f"{len(parted)} of {len(known)} pairs part{of_others}"


def _ratios(evidence: Evidence) -> str:
    lags = aligned_pairs(evidence[OPENINGS], evidence[SHARPENING_EVENTS])["log_lag"].sort()
    if lags.is_empty():
        return ""
    return f"; the gap opens at {listed([f'{math.exp(lag):.2f}' for lag in lags])} times the step of sharpening"
