"""The stage `estimate`: thresholds, trends, best rates, stability limits, coincidence, deferral, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.files import write_json
from mstudy.core.params import Detect, Estimate, Margins
from mstudy.core.statuses import EventDefinition, RunStatus, SharpeningStatus
from mstudy.estimate.claims.all_claims import judge_claims, list_units, measure_power
from mstudy.estimate.claims.event_verdicts import judge_by_definitions, naming_definition
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.estimate.event_times.deferral import measure_deferral, measure_survival
from mstudy.estimate.event_times.interventions import measure_interventions
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.estimate.rates.best import compare_best
from mstudy.estimate.rates.horizons import estimate_horizons
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.stability_law import measure_limits
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import measure_trends
from mstudy.estimate.rates.unreplicated_cells import measure_over_rates
from mstudy.pairs.deciding_events import deciding_events, deciding_rises
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import (
    ADVANTAGE,
    ALIGNMENT,
    BEST,
    CLAIM_UNITS,
    DEFERRAL,
    EVENT_VERDICTS,
    HORIZON_LOSSES,
    HORIZONS,
    INTERVENTIONS,
    LAGS,
    LAW,
    OPENINGS,
    PARTINGS,
    PLACEMENTS,
    POWER,
    RUNS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    STABILITY_LIMITS,
    SURVIVAL,
    THRESHOLDS,
    TRENDS,
    UNREPLICATED_CELLS,
)
from mstudy.tables.stamp import place_of, write_stamp
from mstudy.tables.table import CLAIMS, METRICS, RESULTS, SETTING, Table

_READ = (RUNS, SHARPENINGS, SHARPENING_EVENTS, PARTINGS, OPENINGS, HORIZON_LOSSES, ADVANTAGE)


def estimate(out: Path, detect: Detect, margins: Margins, params: Estimate) -> None:
    """Write what is estimated, the claims, their power, the few numbers that `dvc metrics` compares, the stamp.

    detect: says which definition of sharpening decides C4 and C5.
    """
    results = out / RESULTS
    runs, sharpenings, rises, partings, openings, horizon_losses, advantage = (t.read(results) for t in _READ)
    lines = rate_lines(runs, margins)
    thresholds = estimate_thresholds(lines, margins, params)
    limits, law = measure_limits(runs, params)
    estimates = {
        THRESHOLDS: thresholds,
        PLACEMENTS: place_cells(lines, margins, params),
        UNREPLICATED_CELLS: measure_over_rates(lines, margins, params),
        HORIZONS: estimate_horizons(runs, horizon_losses, margins, params),
        TRENDS: measure_trends(lines, thresholds, limits, params),
        BEST: compare_best(runs, margins, params),
        STABILITY_LIMITS: limits,
        LAW: law,
        INTERVENTIONS: measure_interventions(runs, sharpenings),
    }
    decides = EventDefinition(detect.decides)
    observed = {
        each: {
            RUNS: runs,
            SHARPENINGS: deciding_events(sharpenings, each),
            SHARPENING_EVENTS: deciding_rises(sharpenings, rises, each),
            PARTINGS: partings,
            OPENINGS: openings,
            ADVANTAGE: advantage,
        }
        for each in EventDefinition
    }
    of_events = {each: _of_events(tables, params) for each, tables in observed.items()}
    known = {each: observed[each] | estimates | of_events[each] for each in EventDefinition}
    evidence = {
        each: Evidence(margins.advantage, {table.name: frame for table, frame in tables.items()})
        for each, tables in known.items()
    }
    estimates |= of_events[decides] | {EVENT_VERDICTS: judge_by_definitions(evidence, decides, params)}
    for table, frame in estimates.items():
        table.write(frame, results)
    claims = naming_definition(judge_claims(evidence[decides], params), decides)
    CLAIM_UNITS.write(list_units(evidence[decides], params), results)
    POWER.write(measure_power(evidence[decides], claims, params), results)
    write_json(claims, out / CLAIMS)
    write_json(_metrics(runs, sharpenings, thresholds, claims), out / METRICS)
    written = [*map(place_of, (*estimates, CLAIM_UNITS, POWER)), CLAIMS, METRICS]
    sections = {"detect": detect, "margins": margins, "estimate": params}
    write_stamp(out, "estimate", sections, written, read=map(place_of, _READ))


def _of_events(observed: Mapping[Table, pl.DataFrame], params: Estimate) -> dict[Table, pl.DataFrame]:
    """Return the tables that rest on when runs sharpen. observed: the earlier stages', by one definition of that."""
    runs, sharpenings = observed[RUNS], observed[SHARPENINGS]
    openings, rises = observed[OPENINGS], observed[SHARPENING_EVENTS]
    return {
        ALIGNMENT: measure_alignment(observed[PARTINGS], sharpenings, openings, rises, params),
        LAGS: lags_with_null(openings, rises),
        DEFERRAL: measure_deferral(runs, sharpenings, params),
        SURVIVAL: measure_survival(runs, sharpenings),
    }


def _metrics(
    runs: pl.DataFrame, sharpenings: pl.DataFrame, thresholds: pl.DataFrame, claims: list[dict[str, Any]]
) -> dict[str, Any]:
    stars: dict[str, dict[str, float | None]] = {}
    for row in thresholds.iter_rows(named=True):
        setting = ", ".join(row[key] for key in SETTING if row[key]) or "runs"
        line = f"b={row['batch_size']},{row['optimizer']},mu={row['momentum']:g}"
        stars.setdefault(setting, {})[line] = row["eta_ef_star"]
    return {
        "n_runs": len(runs),
        "n_diverged": int((runs["status"] == RunStatus.DIVERGED).sum()),
        "n_sharpenings": int((sharpenings["status"] == SharpeningStatus.DETECTED).sum()),
        "verdicts": {claim["id"]: claim["verdict"] for claim in claims},
        "eta_ef_star": stars,
    }
