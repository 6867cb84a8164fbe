"""Sharpening of every run: frames in, frames out."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mstudy.events.sharpening import Event, Sharpening, find_sharpening
from mstudy.events.stability import find_stability, stability_line
from mstudy.params import Detect
from mstudy.tables import SHARPENING_EVENTS, SHARPENINGS


@dataclass(frozen=True)
class Detected:
    """sharpenings: one row a run (tables.SHARPENINGS). events: one row an event (tables.SHARPENING_EVENTS)."""

    sharpenings: pl.DataFrame
    events: pl.DataFrame


def detect_sharpenings(runs: pl.DataFrame, points: pl.DataFrame, detect: Detect) -> Detected:
    """Look for abrupt sharpening in each run. points: one row a logged step, in order within a run."""
    rows, events = [], []
    logs = points.partition_by("run_id", as_dict=True)
    for run in runs.iter_rows(named=True):
        log = logs[(run["run_id"],)]
        curvature = log[detect.quantity].fill_null(float("nan")).to_numpy()
        steps, loss = log["step"].to_numpy(), log["loss"].to_numpy()
        found = find_sharpening(steps, curvature, loss, detect, generator_for(run["run_id"], detect.seed))
        line = stability_line(run["optimizer"], run["learning_rate"], run["momentum"])
        stable = find_stability(steps, curvature, loss, line, detect)
        rows.append(
            {
                "run_id": run["run_id"],
                "status": found.status,
                "n_points": found.n_points,
                "n_events": len(found.events),
                **(asdict(found.events[0]) if found.events else {}),
                "p_value": found.p_value,
                "followup_step": found.followup_step,
                "stability_status": stable.status,
                "stability_step": stable.step,
                "stability_agrees": _agree(found, stable.step, detect.agreement),
            }
        )
        events += [_event_row(run["run_id"], index, event) for index, event in enumerate(found.events)]
    return Detected(SHARPENINGS.frame(rows), SHARPENING_EVENTS.frame(events))


def _event_row(run_id: str, index: int, event: Event) -> dict[str, Any]:
    return {"run_id": run_id, "index": index, **asdict(event)}


def _agree(found: Sharpening, stability_step: float | None, tolerance: float) -> bool | None:
    """Whether the first jump and the step of stability are the same moment; None where either is missing.

    The same: within the jump's interval or between its onset and end, or apart by at most the tolerated share.
    """
    if not found.events or stability_step is None:
        return None
    first = found.events[0]
    slack = tolerance * first.step
    low, high = min(first.step_low, first.onset), max(first.step_high, first.end)
    return low - slack <= stability_step <= high + slack


def generator_for(name: str, seed: int) -> np.random.Generator:
    """A generator of one's own for each run or cell: no estimate depends on what else is analysed beside it."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
