"""Abrupt sharpenings and other rises of the runs that two analyses share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from mstudy.diff.change import NOTHING, Change, Estimate, Told
from mstudy.diff.tables import name_of_run


def event_changes(runs: tuple[pl.DataFrame, pl.DataFrame], events: tuple[pl.DataFrame, pl.DataFrame]) -> list[Change]:
    """Return the events that are another kind, or moved beyond their intervals, or in one analysis alone.

    runs: tables.RUNS of each; events: tables.SHARPENING_EVENTS. An event stays where the other analysis has one of the
    same run such that not each lies outside the interval of the other; the others of a run are set side by side in
    order of time.
    """
    shared = runs[0].join(runs[1].select("run_id"), on="run_id", how="semi", maintain_order="left")
    a, b = map(_by_run, events)
    return [change for run in shared.iter_rows(named=True) for change in _of_run(run, a, b)]


def _by_run(events: pl.DataFrame) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = {}
    for row in events.sort("run_id", "step").iter_rows(named=True):
        told = Told(row["kind"], Estimate(row["step"], row["step_low"], row["step_high"]))
        found.setdefault(row["run_id"], []).append(told)
    return found


def _of_run(run: Mapping[str, Any], a: Mapping[str, list[Told]], b: Mapping[str, list[Told]]) -> list[Change]:
    pairs = _matched(a.get(run["run_id"], []), b.get(run["run_id"], []))
    key, name = {"run_id": run["run_id"]}, name_of_run(run)
    return [Change(key, name, before, after) for before, after in pairs if before.differs_from(after)]


def _matched(a: list[Told], b: list[Told]) -> list[tuple[Told, Told]]:
    """Pair the events at one time, then what is left of both in order; an event without a partner has nothing."""
    pairs, left, free = [], [], list(b)
    for event in a:
        same = next((other for other in free if not event.estimate.is_beyond(other.estimate)), None)
        if same is None:
            left.append(event)
        else:
            pairs.append((event, same))
            free.remove(same)
    n_moved = min(len(left), len(free))
    pairs += list(zip(left, free, strict=False))
    pairs += [(event, NOTHING) for event in left[n_moved:]]
    return pairs + [(NOTHING, event) for event in free[n_moved:]]
