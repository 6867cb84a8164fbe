"""What an analysis tells of claims, thresholds and partings, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from mstudy.core.optimizers import optimizer_of
from mstudy.core.statuses import Replication
from mstudy.diff.change import Estimate, Named, Told
from mstudy.report.words import number, step
from mstudy.tables.table import LINE, SETTING


def named_claims(claims: Iterable[Mapping[str, Any]]) -> Named:
    """Return each claim's verdict and estimate. claims: entries of claims.json."""
    return {claim["id"]: ({"claim": claim["id"]}, _of_claim(claim)) for claim in claims}


def _of_claim(claim: Mapping[str, Any]) -> Told:
    low, high = claim["ci"] or (None, None)
    return Told(claim["verdict"], Estimate(claim["estimate"], low, high))


def named_thresholds(thresholds: pl.DataFrame) -> Named:
    """Return the threshold of each line."""
    rows = list(thresholds.iter_rows(named=True))
    return {_name(row): (_key(row, LINE), _of_threshold(row)) for row in rows}


def _of_threshold(row: Mapping[str, Any]) -> Told:
    alone = f", {row['evidence']}" if row["evidence"] == Replication.UNREPLICATED else ""
    return Told(f"{row['status']}{alone}", Estimate(row["eta_ef_star"], row["ci_low"], row["ci_high"]))


def named_partings(partings: pl.DataFrame) -> Named:
    """Return the parting of each pair."""
    rows = list(partings.iter_rows(named=True))
    keys = ("sgd_run_id", "sgdm_run_id")
    return {_name(row): (_key(row, keys), _of_parting(row)) for row in rows}


def _of_parting(row: Mapping[str, Any]) -> Told:
    return Told(row["status"], Estimate(row["step"], row["step_low"], row["step_high"]))


def name_of_run(row: Mapping[str, Any]) -> str:
    """Return what a run is, and its name. row: of tables.RUNS."""
    return f"{_name(row)} ({row['run_id']})"


def _key(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _name(row: Mapping[str, Any]) -> str:
    """Return a row in words: its setting as far as it is stated, b, η_ef and seed where it has them, the optimizer."""
    entry = optimizer_of(row["optimizer"])
    rate = [f"η_ef = {number(row['eta_ef'])}"] if "eta_ef" in row else []
    seed = [f"seed {row['seed']}"] if "seed" in row else []
    method = f"{entry.label} μ = {row['momentum']:g}" if entry.has_momentum else entry.label
    setting = [row[name] for name in SETTING if row[name]]
    return ", ".join([*setting, f"b = {step(row['batch_size'])}", *rate, method, *seed])
