"""C4 and C5 where their tests have too little to go on: which events were seen, and how far apart."""

from __future__ import annotations

import math

import polars as pl

from mstudy.core.optimizers import SGD
from mstudy.core.statuses import PARTED_OR_DIVERGED, SharpeningStatus
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.small_studies.words import listed
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.pairs.pairing import main_runs
from mstudy.tables.contracts import OPENINGS, PARTINGS, RUNS, SHARPENING_EVENTS, SHARPENINGS


def moments_seen(evidence: Evidence) -> str:
    """Say which runs sharpen, which pairs part and how far apart, with a space behind it; empty without runs."""
    pairs = evidence[PARTINGS]
    if evidence[RUNS].is_empty():
        return ""
    n_parted = len(pairs.filter(pl.col("status").is_in(PARTED_OR_DIVERGED)))
    return f"{_sharpened(evidence, of_sgd=True)}; {n_parted} of {len(pairs)} pairs part{_ratios(evidence)}. "


def runs_sharpened(evidence: Evidence) -> str:
    """Say how many runs of SGD and of SGDM sharpen, with a space behind it; empty without runs."""
    if evidence[RUNS].is_empty():
        return ""
    return f"{_sharpened(evidence, of_sgd=True)}; {_sharpened(evidence, of_sgd=False)}. "


def _sharpened(evidence: Evidence, of_sgd: bool) -> str:
    is_sgd = pl.col("optimizer") == SGD
    runs = main_runs(evidence[RUNS]).filter(is_sgd if of_sgd else ~is_sgd).select("run_id")
    found = evidence[SHARPENINGS].join(runs, on="run_id", how="semi")
    detected = found.filter(pl.col("status") == SharpeningStatus.DETECTED).sort("step")
    measured = found.filter(pl.col("status").is_in([SharpeningStatus.DETECTED, SharpeningStatus.NONE]))
    steps = f", at steps {listed([f'{step:g}' for step in detected['step']])}" if len(detected) else ""
    return f"{'SGD' if of_sgd else 'SGDM'} sharpens abruptly in {len(detected)} of {len(measured)} runs{steps}"


def _ratios(evidence: Evidence) -> str:
    lags = aligned_pairs(evidence[OPENINGS], evidence[SHARPENING_EVENTS])["log_lag"].sort()
    if lags.is_empty():
        return ""
    return f"; the gap opens at {listed([f'{math.exp(lag):.2f}' for lag in lags])} times the step of sharpening"
