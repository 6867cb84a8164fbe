"""The stage `estimate`: thresholds, trends, best rates, stability limits, coincidence, deferral, and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.files import write_json
from mstudy.core.losses.scale import Scale
from mstudy.core.params import Detect, Estimate, Looks, Margins
from mstudy.core.statuses import EventDefinition, RunStatus, SharpeningStatus
from mstudy.estimate.claims.event_verdicts import judge_by_definitions, naming_definition
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.estimate.event_times.contrasts import measure_treatments
from mstudy.estimate.event_times.deferral import measure_deferral, measure_survival
from mstudy.estimate.event_times.interventions import measure_interventions
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.estimate.looks import Known, Scope, Scopes, judge_at_looks, tables_of
from mstudy.estimate.rates.best import compare_best
from mstudy.estimate.rates.horizons import estimate_horizons
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.stability_law import measure_limits
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import measure_trends
from mstudy.estimate.rates.unreplicated_cells import measure_over_rates
from mstudy.pairs.deciding_events import deciding_events, deciding_rises
from mstudy.pairs.loss_units import in_units
from mstudy.pairs.pairing import main_runs
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import (
    ADVANTAGE,
    ALIGNMENT,
    BEST,
    BRANCH_GAPS,
    CLAIM_UNITS,
    DEFERRAL,
    EVENT_VERDICTS,
    FINAL_LOSSES,
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
    TREATMENTS,
    TRENDS,
    UNREPLICATED_CELLS,
)
from mstudy.tables.stamp import place_of, write_stamp
from mstudy.tables.table import CLAIMS, METRICS, RESULTS, SETTING, Table

_READ = (RUNS, SHARPENINGS, SHARPENING_EVENTS, PARTINGS, OPENINGS, HORIZON_LOSSES, ADVANTAGE, FINAL_LOSSES, BRANCH_GAPS)


def estimate(
    out: Path,
    detect: Detect,
    margins: Margins,
    params: Estimate,
    looks: Looks | None = None,
    scale: Scale = Scale.LOG,
) -> None:
    """Write what is estimated, the claims, their power, the few numbers that `dvc metrics` compares, the stamp.

    detect: says which definition of sharpening decides C4 and C5. looks: at which numbers of seeds verdicts are given.
    scale: that of the stage `compare`.
    """
    results, decides = out / RESULTS, EventDefinition(detect.decides)
    read = {table: table.read(results) for table in _READ}
    runs, sharpenings = read[RUNS], read[SHARPENINGS]
    scopes = Scopes.of(looks, runs, deciding_events(sharpenings, decides), params)
    observed = {each: _by_definition(tables_of(scopes.events, read, runs), each) for each in EventDefinition}
    compared = in_units(runs, read[FINAL_LOSSES], scale)
    at_horizons = read[HORIZON_LOSSES].join(runs.select("run_id", *SETTING), on="run_id")
    at_horizons = in_units(at_horizons, read[FINAL_LOSSES], scale).drop(SETTING)
    estimates, at_level = _of_rates(compared, at_horizons, margins, scopes, scale)
    interventions = measure_interventions(scopes.events.keep(compared), sharpenings, read[BRANCH_GAPS], scale)
    estimates |= {INTERVENTIONS: interventions, TREATMENTS: measure_treatments(interventions, scopes.events.shown)}
    of_events = {each: _of_events(tables, scopes.events.shown) for each, tables in observed.items()}
    shown = {each: by_name(observed[each] | estimates | of_events[each]) for each in EventDefinition}
    decisive = {
        each: by_name(at_level | _alignment_at_level(observed[each], of_events[each], scopes.events))
        for each in EventDefinition
    }
    evidence = {each: Evidence(margins.advantage, shown[each] | decisive[each], scale) for each in EventDefinition}
    estimates |= of_events[decides]
    estimates[EVENT_VERDICTS] = judge_by_definitions(evidence, decides, scopes.events.params)
    whole = by_name(_by_definition(read, decides))
    known = Known(margins.advantage, shown[decides], decisive[decides], whole, scale)
    judged, units, power = judge_at_looks(scopes, known)
    for table, frame in (estimates | {CLAIM_UNITS: units, POWER: power}).items():
        table.write(frame, results)
    claims = naming_definition(judged, decides)
    write_json(claims, out / CLAIMS)
    write_json(_metrics(runs, sharpenings, estimates[THRESHOLDS], claims), out / METRICS)
    written = [*map(place_of, (*estimates, CLAIM_UNITS, POWER)), CLAIMS, METRICS]
    sections = {"detect": detect, "margins": margins, "estimate": params} | ({"looks": looks} if looks else {})
    write_stamp(out, "estimate", sections, written, read=map(place_of, _READ))


def _by_definition(read: Mapping[Table, pl.DataFrame], definition: EventDefinition) -> dict[Table, pl.DataFrame]:
    """Return the tables of earlier stages with the events of one definition."""
    sharpenings, rises = read[SHARPENINGS], read[SHARPENING_EVENTS]
    return {
        RUNS: read[RUNS],
        SHARPENINGS: deciding_events(sharpenings, definition),
        SHARPENING_EVENTS: deciding_rises(sharpenings, rises, definition),
        PARTINGS: read[PARTINGS],
        OPENINGS: read[OPENINGS],
        ADVANTAGE: read[ADVANTAGE],
    }


def _alignment_at_level(
    observed: Mapping[Table, pl.DataFrame], shown: Mapping[Table, pl.DataFrame], scope: Scope
) -> dict[Table, pl.DataFrame]:
    """Return the coincidence of events with intervals at the level of a look."""
    if scope.looks is None:
        return {ALIGNMENT: shown[ALIGNMENT]}
    return {ALIGNMENT: _alignment(observed, scope.params)}


def _of_rates(
    runs: pl.DataFrame, horizon_losses: pl.DataFrame, margins: Margins, scopes: Scopes, scale: Scale
) -> tuple[dict[Table, pl.DataFrame], dict[Table, pl.DataFrame]]:
    """Return the tables that rest on final losses and divergences, the trends and the law by the seeds of all lines;
    and the law once more with intervals at the level of the look. The losses are as `in_units` returns them.
    """
    params, joint = scopes.params, scopes.rates
    lines, joint_runs = rate_lines(runs, margins, scale), joint.keep(runs)
    limits, law = measure_limits(joint_runs, joint.shown)
    thresholds = joint_thresholds = estimate_thresholds(lines, margins, params)
    joint_lines = lines
    if joint.looks is not None:
        joint_lines = rate_lines(joint_runs, margins, scale)
        joint_thresholds = estimate_thresholds(joint_lines, margins, params)
    tables = {
        THRESHOLDS: thresholds,
        PLACEMENTS: place_cells(lines, margins, params),
        UNREPLICATED_CELLS: measure_over_rates(lines, margins, params),
        HORIZONS: estimate_horizons(runs, horizon_losses, margins, params, scale),
        TRENDS: measure_trends(joint_lines, joint_thresholds, limits, joint.shown),
        BEST: compare_best(runs, margins, params, scale),
        STABILITY_LIMITS: limits,
        LAW: law,
    }
    return tables, {LAW: law if joint.looks is None else measure_limits(joint_runs, joint.params)[1]}


def _of_events(observed: Mapping[Table, pl.DataFrame], params: Estimate) -> dict[Table, pl.DataFrame]:
    """Return the tables that rest on when runs sharpen. observed: the earlier stages', by one definition of that."""
    runs, sharpenings = observed[RUNS], observed[SHARPENINGS]
    openings, rises = observed[OPENINGS], observed[SHARPENING_EVENTS]
    return {
        ALIGNMENT: _alignment(observed, params),
        LAGS: lags_with_null(openings, rises),
        DEFERRAL: measure_deferral(runs, sharpenings, params),
        SURVIVAL: measure_survival(runs, sharpenings),
    }


def _alignment(observed: Mapping[Table, pl.DataFrame], params: Estimate) -> pl.DataFrame:
    of_pairs, of_runs = (PARTINGS, OPENINGS), (SHARPENINGS, SHARPENING_EVENTS)
    (partings, openings), (sharpenings, rises) = ([observed[table] for table in pair] for pair in (of_pairs, of_runs))
    return measure_alignment(partings, sharpenings, openings, rises, params)


def by_name(tables: Mapping[Table, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the frames by the names of their tables."""
    return {table.name: frame for table, frame in tables.items()}


def _metrics(
    runs: pl.DataFrame, sharpenings: pl.DataFrame, thresholds: pl.DataFrame, claims: list[dict[str, Any]]
) -> dict[str, Any]:
    own = main_runs(runs)
    sharpened = sharpenings.filter(pl.col("status") == SharpeningStatus.DETECTED)
    stars: dict[str, dict[str, float | None]] = {}
    for row in thresholds.iter_rows(named=True):
        setting = ", ".join(row[key] for key in SETTING if row[key]) or "runs"
        line = f"b={row['batch_size']},{row['optimizer']},mu={row['momentum']:g}"
        stars.setdefault(setting, {})[line] = row["eta_ef_star"]
    return {
        "n_runs": len(own),
        "n_diverged": int((own["status"] == RunStatus.DIVERGED).sum()),
        "n_sharpenings": len(sharpened.join(own, on="run_id", how="semi")),
        "verdicts": {claim["id"]: claim["verdict"] for claim in claims},
        "eta_ef_star": stars,
    }
