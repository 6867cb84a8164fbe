"""A study small enough to check by head: b 16 and 64, three eta_ef, SGD and two momenta, three seeds.

The final loss is 0.1 / eta_ef for SGD and that times (1 - mu / 3) for SGDM; the seeds scatter by the factors
0.5, 1 and 2, whose geometric mean is 1. SGD at b = 64, eta_ef = 0.4, seed 2 diverged at step 7.
SGD at b = 64, eta_ef = 0.2 sharpens abruptly at step 100 + 10 * seed; its pairs part two steps later.
"""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from mstudy.compare.final_losses import summarise_losses
from mstudy.estimate.event_times.deferral import measure_survival
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.report.results import Results
from mstudy.tables.contracts import (
    ADVANTAGE,
    ALIGNMENT,
    BEST,
    DEFERRAL,
    HORIZONS,
    INTERVENTIONS,
    LAW,
    PARTINGS,
    POWER,
    RUNS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    STABILITY_LIMITS,
    TABLES,
    THRESHOLDS,
    TREATMENTS,
)

from benchmarks.error_rates.moments import lasting_moments
from tests.report.chromium import browser  # noqa: F401  (a fixture)

SETTING = {"study": "tiny", "model": "mlp", "dataset": "dots", "objective": "squared_error"}
BATCH_SIZES, RATES, MOMENTA, SEEDS = (16, 64), (0.1, 0.2, 0.4), (0.0, 0.5, 0.9), (0, 1, 2)
N_POINTS = 200


def run_id(batch_size: int, eta_ef: float, momentum: float, seed: int) -> str:
    return f"b{batch_size}-r{eta_ef}-m{momentum}-s{seed}"


def diverged(batch_size: int, eta_ef: float, momentum: float, seed: int) -> bool:
    return (batch_size, eta_ef, momentum, seed) == (64, 0.4, 0.0, 2)


def sharpens(batch_size: int, eta_ef: float, momentum: float) -> bool:
    return (batch_size, eta_ef, momentum) == (64, 0.2, 0.0)


def final_loss(eta_ef: float, momentum: float, seed: int) -> float:
    return 0.1 / eta_ef * (1 - momentum / 3) * (0.5, 1.0, 2.0)[seed]


GRID = [(b, rate, mu, seed) for b in BATCH_SIZES for rate in RATES for mu in MOMENTA for seed in SEEDS]
CELLS = [(b, rate, mu) for b in BATCH_SIZES for rate in RATES for mu in MOMENTA if mu > 0]


def _run(b: int, rate: float, mu: float, seed: int) -> dict[str, Any]:
    fallen = diverged(b, rate, mu, seed)
    return {
        **SETTING,
        "run_id": run_id(b, rate, mu, seed),
        "path": f"{run_id(b, rate, mu, seed)}.parquet",
        "batch_size": b,
        "eta_ef": rate,
        "eta_ef_per_sample": rate / b,
        "optimizer": "heavy_ball" if mu else "sgd",
        "momentum": mu,
        "learning_rate": rate * (1 - mu),
        "seed": seed,
        "n_points": N_POINTS,
        "last_step": 7 if fallen else N_POINTS - 1,
        "status": "diverged" if fallen else "completed",
        "diverged_step": 7 if fallen else None,
        "final_loss": None if fallen else final_loss(rate, mu, seed),
    }


def _sharpening(b: int, rate: float, mu: float, seed: int) -> dict[str, Any]:
    """Seed 0 settles at its line with the jump, seed 1 long after it, seed 2 never."""
    row: dict[str, Any] = {"run_id": run_id(b, rate, mu, seed), "status": "none", "followup_step": 190.0}
    row |= {"stability_status": "none", "n_events": 0}
    if sharpens(b, rate, mu):
        step = 100.0 + 10 * seed
        row |= {"status": "detected", "step": step, "step_low": step - 5, "step_high": step + 5, "jump": 50.0}
        row |= {"p_value": 0.005, "n_events": 1}
        if seed < 2:
            reached = {"stability_step": step + (3, 60)[seed], "stability_agrees": seed == 0}
            row |= {"stability_status": "reached"} | reached
    return row


def _event(key: tuple[int, float, float, int]) -> dict[str, Any]:
    row = _sharpening(*key)
    return {
        "index": 0,
        "kind": "lasting",
        **{name: row[name] for name in ("run_id", "step", "step_low", "step_high", "jump", "p_value")},
    }


def _parting(b: int, rate: float, mu: float, seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        **SETTING,
        "batch_size": b,
        "eta_ef": rate,
        "optimizer": "heavy_ball",
        "momentum": mu,
        "seed": seed,
        "sgd_run_id": run_id(b, rate, 0.0, seed),
        "sgdm_run_id": run_id(b, rate, mu, seed),
        "status": "none",
    }
    if sharpens(b, rate, 0.0):
        step = 102.0 + 10 * seed
        row |= {
            "status": "parted",
            "ahead": "sgdm",
            "step": step,
            "step_low": step - 4,
            "step_high": step + 4,
        }
    return row


def _advantage(b: int, rate: float, mu: float) -> dict[str, Any]:
    ratio = 0.0 if rate < 0.2 else mu
    return {
        **SETTING,
        "batch_size": b,
        "eta_ef": rate,
        "optimizer": "heavy_ball",
        "momentum": mu,
        "eta_ef_per_sample": rate / b,
        "log_ratio": ratio,
        "ci_low": ratio - 0.02,
        "ci_high": ratio + 0.02,
        "n_seeds": 3,
        "n_diverged_sgd": int((b, rate) == (64, 0.4)),
        "n_diverged_sgdm": 0,
        "n_diverged_both": 0,
    }


def _threshold(b: int, mu: float) -> dict[str, Any]:
    """Estimated for mu = 0.9 alone: 0.2 at b = 16, 0.1 at b = 64."""
    key = {**SETTING, "batch_size": b, "optimizer": "heavy_ball", "momentum": mu}
    key |= {"n_cells": 3, "n_seeds": 3, "margin": 0.05}
    if mu < 0.9:
        return key | {"status": "above_grid" if b == 16 else "below_grid"}
    star = 0.2 if b == 16 else 0.1
    ends = {"star": star, "low": star / 2, "high": star * 2}
    found = {"eta_ef_star": star, "ci_low": ends["low"], "ci_high": ends["high"]}
    per_sample = {f"eta_ef_per_sample_{name}": end / b for name, end in ends.items()}
    return key | {"status": "estimated"} | found | per_sample


def _alignment(statistic: str, decides: bool) -> dict[str, Any]:
    described = {
        "n_pairs": 6,
        "n_cells": 1,
        "lag_steps_median": 2.0,
        "lag_steps_median_low": 1.0,
        "lag_steps_median_high": 3.0,
        "lag_steps_median_level": 0.96,
        "n_moments": 6,
        "lag_steps_low": 1.5,
        "lag_steps_high": 2.5,
    }
    return {
        "scope": "all",
        "statistic": statistic,
        "decides": decides,
        "p_value": 0.01,
        "null": "none",
        **described,
    }


def _deferral(mu: float) -> dict[str, Any]:
    counts = {"n_sgd": 18, "n_sgdm": 18, "events_sgd": 3, "events_sgdm": 0}
    return {"stratum": "all", "optimizer": "heavy_ball", "momentum": mu, "p_value": 0.03, "p_adjusted": 0.06} | counts


def _claim(name: str, verdict: str) -> dict[str, Any]:
    return {
        "id": name,
        "statement": f"Statement of {name}.",
        "verdict": verdict,
        "reason": f"Reason of {name}.",
        "estimate": 0.25,
        "ci": [0.125, 0.5],
        "unit": "log ratio",
        "p_value": 0.04,
        "n": 12,
        "n_unit": "cells",
        "table": "advantage",
        "rows": [],
        "at_least": None,
        "evidence": "replicated",
    }


@pytest.fixture(scope="session")
def results() -> Results:
    pairs = [key for key in GRID if key[2] > 0]
    verdicts = ("supported", "contradicted", "inconclusive", "untestable", "mostly")
    runs = RUNS.frame([_run(*key) for key in GRID])
    sharpenings = SHARPENINGS.frame([_sharpening(*key) for key in GRID])
    partings = PARTINGS.frame([_parting(*key) for key in pairs])
    openings, events = lasting_moments(partings, sharpenings)
    tables = {table.name: table.frame([]) for table in TABLES} | dict(
        sharpening_events=SHARPENING_EVENTS.frame([_event(key) for key in GRID if sharpens(*key[:3])]),
        runs=runs,
        sharpenings=sharpenings,
        survival=measure_survival(runs, sharpenings),
        final_losses=summarise_losses(runs),
        lags=lags_with_null(openings, events),
        openings=openings,
        partings=partings,
        advantage=ADVANTAGE.frame([_advantage(*key) for key in CELLS]),
        thresholds=THRESHOLDS.frame([_threshold(b, mu) for b in BATCH_SIZES for mu in MOMENTA if mu > 0]),
        alignment=ALIGNMENT.frame([_alignment("within_block_permutation", True), _alignment("pooled_spearman", False)]),
        deferral=DEFERRAL.frame([_deferral(mu) for mu in MOMENTA if mu > 0]),
    )
    return Results(
        tables,
        claims=[_claim(f"C{k}", verdict) for k, verdict in enumerate(verdicts, start=1)],
        problems=[{"path": "broken.parquet", "reason": "not a whole Parquet file"}],
    )


@pytest.fixture(scope="session")
def points() -> pl.DataFrame:
    """Loss falls as 1 / (1 + step); SGD's kappa jumps from 0.1 to 10 where the run sharpens."""
    frames = []
    for key in GRID:
        last = 7 if diverged(*key) else N_POINTS - 1
        step = pl.int_range(0, last + 1, eager=True)
        jump = 100 + 10 * key[3] if sharpens(*key[:3]) else N_POINTS
        kappa = pl.Series([10.0 if s > jump else 0.1 for s in step])
        columns = {
            "run_id": [run_id(*key)] * len(step),
            "step": step,
            "loss": 1 / (1 + step.cast(pl.Float64)),
        }
        frames.append(pl.DataFrame(columns | {"directional_curvature": kappa}))
    return pl.concat(frames).with_columns(sharpness=pl.lit(None, dtype=pl.Float64))


@pytest.fixture(scope="session")
def empty() -> dict[str, pl.DataFrame]:
    """Every table of an analysis, without a row."""
    return {table.name: table.schema.to_frame() for table in TABLES}


LINES = [{**SETTING, "batch_size": b, "optimizer": "heavy_ball", "momentum": 0.9} for b in BATCH_SIZES]


@pytest.fixture(scope="session")
def more(branches: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Tables that not every analysis has, with numbers that can be told from each other."""
    cut = [(0.25, 50, 0.4), (0.5, 100, 0.3), (1.0, 199, 0.2)]
    horizons = [
        line
        | {"horizon": share, "horizon_step": step, "eta_ef_star": star, "ci_low": star / 2, "ci_high": star * 2}
        | {"status": "estimated", "n_cells": 3, "n_seeds": 3, "margin": 0.05}
        for line in LINES
        for share, step, star in cut
    ]
    best = [
        line
        | {"sgd_eta_ef": 0.2, "sgdm_eta_ef": 0.4, "log_ratio": ratio, "ci_low": ratio - 0.03, "ci_high": ratio + 0.03}
        | {"equivalence_p": 0.01, "superiority_p": 0.5, "inferiority_p": 0.9, "n_seeds": 3, "at_edge": edge}
        | {"status": "at_edge" if edge else "compared"}
        for line, ratio, edge in zip(LINES, (0.01, 0.2), (None, "sgdm"), strict=True)
    ]
    sgd = [line | {"optimizer": "sgd", "momentum": 0.0} for line in LINES]
    limits = [
        line
        | {"eta_ef_stable": 0.2, "eta_ef_unstable": 0.4, "eta_ef_max": 0.3, "ci_low": 0.2, "ci_high": 0.4}
        | {"status": "estimated", "predicted": 0.3 * k, "predicted_low": 0.2 * k, "predicted_high": 0.4 * k}
        | {"misfit": -math.log(k), "n_seeds": 3}
        for k, line in enumerate([*sgd, *LINES], start=1)
    ]
    law = [{**SETTING, "status": "fitted", "n_limits": 4, "level": 7.5, "level_low": 7.0, "level_high": 8.0}]
    power = [
        {"claim": "C3", "n_seeds": 3, "n_units": 5, "effect_80": 0.02, "unit": "per doubling of b", "observed": 0.01}
        | {"seeds_needed": 12, "note": "", "replicate": "batch sizes"},
        {"claim": "C4", "n_seeds": 3, "n_units": 1, "effect_80": None, "unit": "", "observed": None}
        | {"seeds_needed": None, "note": "too few blocks", "replicate": "blocks"},
        {"claim": "C5", "n_seeds": None, "n_units": 4, "effect_80": 1.3, "unit": "times later", "observed": 1.2}
        | {"seeds_needed": None, "units_needed": 9, "note": "", "replicate": "cells"},
    ]
    rows = [(HORIZONS, horizons), (BEST, best), (STABILITY_LIMITS, limits), (LAW, law), (POWER, power)]
    return {table.name: table.frame(found) for table, found in rows} | {INTERVENTIONS.name: branches}


@pytest.fixture(scope="session")
def branches() -> pl.DataFrame:
    """Three branches of one kind, of which the last sharpened all the same."""
    gaps = [(0.3, 0.02, False), (0.5, 0.04, False), (0.4, 0.38, True)]
    return INTERVENTIONS.frame(
        [
            LINES[1]
            | {"eta_ef": 0.2, "seed": seed, "branch_run_id": f"branch {seed}", "intervention": "lower rate"}
            | {"sgd_run_id": run_id(64, 0.2, 0.0, seed), "sgdm_run_id": run_id(64, 0.2, 0.9, seed)}
            | {"intervention_step": 90, "gap_parent": alone, "gap_branch": left}
            | {"sharpened_parent": True, "sharpened_branch": sharpened, "by_momentum": False, "of_sgdm": False}
            for seed, (alone, left, sharpened) in enumerate(gaps)
        ]
    )


@pytest.fixture(scope="session")
def treatments() -> pl.DataFrame:
    """Two treatments with controls: one that takes 0.4 of the gap, and one whose branches diverged."""
    known = {"n": 3, "unit": "seeds", "n_branches": 3, "n_diverged": 0, "n_removed": 2, "by_momentum": False}
    known |= {"effect_sharpening": 0.4, "effect_control": 0.1}
    known |= {"effect_sharpening_low": 0.3, "effect_sharpening_high": 0.5, "effect_control_low": 0.0}
    known |= {"effect_control_high": 0.2, "contrast": 0.3, "contrast_low": 0.2, "contrast_high": 0.4, "p_value": 0.01}
    gone = {"n": 0, "unit": "seeds", "n_branches": 3, "n_diverged": 3, "n_removed": 0, "of_sgdm": True}
    rows = [{"intervention": "lower rate"} | known, {"intervention": "raised rate of SGDM"} | gone]
    return TREATMENTS.frame([SETTING | row for row in rows])
