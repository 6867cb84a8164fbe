"""Sharpening of every run: frames in, frames out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.generators import generator_for
from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.core.statuses import CrossingStatus, StabilityStatus
from mstudy.core.theory import stability_line_of
from mstudy.detect.crossing import StabilityCrossing, find_crossing
from mstudy.detect.kinds.events import Event
from mstudy.detect.sharpening import Sharpening, find_sharpening
from mstudy.detect.stability import Stability, find_stability
from mstudy.tables.contracts import SHARPENING_EVENTS, SHARPENINGS


@dataclass(frozen=True)
class Detected:
    """sharpenings: one row a run (tables.SHARPENINGS). events: one row an event (tables.SHARPENING_EVENTS)."""

    sharpenings: pl.DataFrame
    events: pl.DataFrame


@dataclass(frozen=True)
class Judged:
    """What was found in one run."""

    sharpening: Sharpening
    stability: Stability
    crossing: StabilityCrossing


@dataclass(frozen=True)
class RunSeries:
    """What is asked of one run. steps, curvature, loss: (n_rows,). line: of stability; None where none is known."""

    run_id: str
    steps: NDArray[np.int64]
    curvature: Series
    loss: Series
    line: float | None


def detect_sharpenings(runs: pl.DataFrame, points: pl.DataFrame, detect: Detect) -> Detected:
    """Look for abrupt sharpening in each run. points: one row a logged step, in order within a run.

    Each run has a generator of its own: what else is analysed beside it changes no number.
    """
    logs = _logs(runs, points, detect.quantity)
    return tabulate({log.run_id: judge_run(log, detect) for log in logs}, detect)


def tabulate(judged: Mapping[str, Judged], detect: Detect) -> Detected:
    """Return the tables of what was found in each run, in their order."""
    rows, events = [], []
    for run_id, found in judged.items():
        sharpening, stable = found.sharpening, found.stability
        rows.append(
            {
                "run_id": run_id,
                "status": sharpening.status,
                "n_points": sharpening.n_points,
                "n_events": len(sharpening.events),
                **(asdict(sharpening.events[0]) if sharpening.events else {}),
                "p_value": sharpening.p_value,
                "followup_step": sharpening.followup_step,
                "stability_status": stable.status,
                "stability_step": stable.step,
                "stability_agrees": _agree(sharpening, stable.step, detect.agreement),
                **{f"crossing_{name}": value for name, value in asdict(found.crossing).items()},
            }
        )
        listed = sorted([*sharpening.events, *sharpening.others], key=lambda event: event.step)
        events += [_event_row(run_id, index, event) for index, event in enumerate(listed)]
    return Detected(SHARPENINGS.frame(rows), SHARPENING_EVENTS.frame(events))


def _logs(runs: pl.DataFrame, points: pl.DataFrame, quantity: str) -> list[RunSeries]:
    steps, curvature, loss = (points[name].to_numpy() for name in ("step", quantity, "loss"))
    stretches = points["run_id"].rle().struct.unnest()  # the rows of a run lie together
    ends = stretches["len"].cum_sum().to_list()
    rows = {run_id: slice(end - n, end) for (n, run_id), end in zip(stretches.iter_rows(), ends, strict=True)}
    logs = []
    for run in runs.select("run_id", "optimizer", "learning_rate", "momentum", "branch_of").iter_rows(named=True):
        own = rows[run["run_id"]]
        logs.append(RunSeries(run["run_id"], steps[own], curvature[own], loss[own], stability_line_of(run, quantity)))
    return logs


def judge_run(log: RunSeries, detect: Detect) -> Judged:
    """Look for sharpening in one run, by both definitions."""
    rng = generator_for(log.run_id, detect.seed)
    sharpening = find_sharpening(log.steps, log.curvature, log.loss, detect, rng)
    if log.line is None:
        return Judged(sharpening, Stability(StabilityStatus.NO_LINE), StabilityCrossing(CrossingStatus.NO_LINE))
    stable = find_stability(log.steps, log.curvature, log.loss, log.line, detect)
    return Judged(sharpening, stable, find_crossing(log.steps, log.curvature, log.line, detect))


def _event_row(run_id: str, index: int, event: Event) -> dict[str, Any]:
    return {"run_id": run_id, "index": index, **asdict(event)}


def _agree(sharpening: Sharpening, stability_step: float | None, tolerance: float) -> bool | None:
    """Return whether the first jump and the step of stability are the same moment; None where either is missing.

    The same: within the jump's interval or between its onset and end, or apart by at most the tolerated share.
    """
    if not sharpening.events or stability_step is None:
        return None
    first = sharpening.events[0]
    slack = tolerance * first.step
    low, high = min(first.step_low, first.onset), max(first.step_high, first.end)
    return low - slack <= stability_step <= high + slack
