"""The clock of tools that have one step for all metrics: another metric in its place, or epochs as updates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mstudy.core.errors import LogError, shown
from mstudy.importers.mapping import Mapping
from mstudy.importers.row_order import in_order
from mstudy.importers.source_run import Clock, Series, SourceRun


def with_clock(run: SourceRun, mapping: Mapping) -> SourceRun:
    """Return the run with the steps that the map asks for.

    Raises LogError where the map names a metric that cannot be a clock, or its steps of an epoch say nothing here.
    """
    wanted, per_epoch = mapping.columns.get("step"), mapping.steps_per_epoch(run.name)
    if run.clock == Clock.OF_THE_TOOL and wanted is not None and wanted != run.clock_name:
        run = _by_metric(run, wanted)
    if per_epoch is None or run.clock == Clock.CONVERTED:
        return run
    if run.clock == Clock.UPDATES:
        raise LogError(
            f"steps_per_epoch must have an effect, found that {run.clock_name or 'the source'} counts updates; leave "
            "it out of the map."
        )
    return _times(run, per_epoch)


def _by_metric(run: SourceRun, name: str) -> SourceRun:
    clock = run.series.get(name)
    if clock is None:
        some = ", ".join(sorted(run.series)[:8])
        raise LogError(f"columns.step must be a metric of the run, found {name!r} beside {some}; correct the map.")
    wrong = ~np.isfinite(clock.values) | (clock.values != np.floor(clock.values)) | (np.abs(clock.values) >= 2.0**53)
    if wrong.any():
        raise LogError(f"{name} must hold whole numbers, found {shown(float(clock.values[wrong.argmax()]))}.")
    series, written, n_lost = {}, {}, 0
    for metric, own in run.series.items():
        shared, at, places = np.intersect1d(own.steps, clock.steps, assume_unique=True, return_indices=True)
        series[metric] = Series(clock.values[places].astype(np.int64), own.values[at])
        written[metric] = series[metric].steps
        n_lost += len(own.steps) - len(shared)
    note = f"{n_lost} values are left out that have no {name} beside them"
    notes = (*run.notes, note) if n_lost else run.notes
    return replace(run, series=in_order(series), written=written, notes=notes, clock_name=name)


def _times(run: SourceRun, per_epoch: float) -> SourceRun:
    """Return the run with steps for epochs. Raises LogError where a step would be beyond what a log can hold."""
    if any(len(own.steps) and float(np.abs(own.steps).max()) * per_epoch >= 2.0**53 for own in run.series.values()):
        raise LogError(f"steps_per_epoch must leave steps below 2^53, found {per_epoch:g}; correct the map.")
    series = {
        name: Series(np.round(own.steps * per_epoch).astype(np.int64), own.values) for name, own in run.series.items()
    }
    written = {
        name: np.round(np.clip(steps, -(2.0**53), 2.0**53) * per_epoch).astype(np.int64)
        for name, steps in run.written.items()
    }
    note = f"steps are those of the source times {per_epoch:g}"
    return replace(run, series=series, written=written, notes=(*run.notes, note), clock=Clock.CONVERTED)
