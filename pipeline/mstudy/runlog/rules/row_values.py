"""Rules on the rows of a log."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale
from mstudy.core.quantities import CRITICAL_SHARPNESS
from mstudy.core.statuses import Severity
from mstudy.runlog.format.schema import MAX_STEP, OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from mstudy.runlog.raw.log import Log, is_late
from mstudy.runlog.rules.rule import Fault, Stage

ROWS: Stage[Log] = Stage()


@ROWS.rule("no-rows", Severity.ERROR, "a log has at least one row", "Remove the file, or log the run again.")
def _no_rows(log: Log) -> Iterator[Fault]:
    if log.n_rows == 0:
        yield Fault("the log must hold at least one row, found none.")


@ROWS.rule(
    "null-value",
    Severity.ERROR,
    "`step` and `loss` are given in every row",
    "Drop the row, or fill in what is missing.",
)
def _null(log: Log) -> Iterator[Fault]:
    for column in REQUIRED_COLUMNS:
        if (nulls := log.is_null[column]).any():
            yield Fault(f"{column} must be given in every row, found {nulls.sum()} nulls.", column, _first(nulls))


@ROWS.rule("step-range", Severity.ERROR, "`step` is at least 0 and below 2^53", "Count updates from 0.")
def _range(log: Log) -> Iterator[Fault]:
    outside = (log.step < 0) | (log.step > MAX_STEP)
    if outside.any():
        row = _first(outside)
        yield Fault(f"step must be at least 0 and below 2^53, found {log.step[row]}.", "step", row)


@ROWS.rule(
    "step-order",
    Severity.ERROR,
    "`step` increases strictly",
    "Sort the rows; of a step that was logged twice, as after a restart, keep the later row.",
)
def _order(log: Log) -> Iterator[Fault]:
    if log.is_null["step"].any():
        return
    backward = log.step[1:] <= log.step[:-1]
    if backward.any():
        row = _first(backward) + 1
        found = f"{log.step[row]} after {log.step[row - 1]}"
        more = f" ({backward.sum()} times)" if backward.sum() > 1 else ""
        yield Fault(f"step must increase strictly, found {found}{more}.", "step", row)


@ROWS.rule(
    "loss-not-finite",
    Severity.ERROR,
    "`loss` is finite up to the divergence",
    "If the run diverged, say so: status `diverged` and diverged_step; else find out what was logged there.",
)
def _not_finite(log: Log) -> Iterator[Fault]:
    bad = ~np.isfinite(log.loss) & ~log.is_null["loss"] & ~_after_divergence(log)
    if bad.any():
        row = _first(bad)
        found = f"{float(log.loss[row])!r} at step {log.step[row]}"
        yield Fault(f"loss must be finite in a run that has not diverged, found {found}.", "loss", row)


def _after_divergence(log: Log) -> NDArray[np.bool_]:
    """Return rows from the divergence on; where its step is not known, those after which no loss is finite any more."""
    if not log.diverged:
        return np.zeros(log.n_rows, dtype=bool)
    if log.diverged_step is not None:
        return log.step >= log.diverged_step
    finite = np.flatnonzero(np.isfinite(log.loss))
    return np.arange(log.n_rows) > (finite[-1] if len(finite) else -1)


@ROWS.rule(
    "loss-not-positive",
    Severity.ERROR,
    "`loss` is above 0 over the last tenth of what was trained, unless `compare.scale` is difference",
    "Set it so in the parameter file (`--params`) where the loss can be 0 or below; else log the loss itself.",
)
def _not_positive(log: Log) -> Iterator[Fault]:
    if log.diverged or log.n_rows == 0 or log.scale is not Scale.LOG:
        return
    bad = is_late(log) & (log.loss <= 0)
    if bad.any():
        row = _first(bad)
        yield Fault(
            f"loss must be above 0 at the end, where its logarithm is compared, found {float(log.loss[row])!r}; "
            f"compare.scale: difference takes such a loss.",
            "loss",
            row,
        )


@ROWS.rule(
    "divergence-place",
    Severity.ERROR,
    "a log ends at its diverged_step, or its loss is not finite from there on; the step is not far beyond the log",
    "Correct diverged_step, or status where the run did not diverge; end the log where the run diverged.",
)
def _divergence_place(log: Log) -> Iterator[Fault]:
    if log.diverged_step is None or log.n_rows == 0 or not _is_ordered(log):
        return
    last = int(log.step[-1])
    if last > log.diverged_step and np.isfinite(log.loss[-1]):
        yield Fault(
            f"the log must end at diverged_step {log.diverged_step}, or its loss be infinite from there on, found loss "
            f"{float(log.loss[-1]):g} at step {last}.",
            "loss",
            log.n_rows - 1,
        )
    if log.diverged_step > last + max(_reach(log), _MAX_REACH):
        yield Fault(f"diverged_step must be where the log ends, at step {last}, found {log.diverged_step}.", "step")


@ROWS.rule(
    "divergence-gap",
    Severity.WARNING,
    "diverged_step is at most as far beyond the last row as the log is long, or ten of its gaps",
    "Log up to the divergence, or correct diverged_step: what happened in between is not seen.",
)
def _divergence_gap(log: Log) -> Iterator[Fault]:
    if log.diverged_step is None or log.n_rows < 2 or not _is_ordered(log):
        return
    beyond = log.diverged_step - int(log.step[-1])
    if _reach(log) < beyond <= max(_reach(log), _MAX_REACH):
        found = f"at step {log.step[-1]}, found {log.diverged_step}"
        yield Fault(f"diverged_step must follow the last row, {found}.", "step")


_MAX_REACH = 100_000  # steps between the last row and the divergence, of a log that has fewer


def _reach(log: Log) -> int:
    """Return how far beyond its last row a log's own rows make a divergence plausible."""
    gaps = np.diff(log.step)
    return max(int(log.step[-1]) - int(log.step[0]), 10 * int(gaps.max())) if len(gaps) else 0


def _is_ordered(log: Log) -> bool:
    return bool((np.diff(log.step) > 0).all())


@ROWS.rule(
    "value-not-finite",
    Severity.WARNING,
    "optional columns are finite or null",
    "Write null where nothing was measured; NaN and infinity are read so.",
)
def _optional(log: Log) -> Iterator[Fault]:
    before = ~_after_divergence(log)
    for column in OPTIONAL_COLUMNS:
        if column in log.values and (bad := ~np.isfinite(log.values[column]) & ~log.is_null[column] & before).any():
            row = _first(bad)
            found = f"{float(log.values[column][row])!r} at step {log.step[row]}"
            yield Fault(f"{column} must be finite or null, found {found} ({bad.sum()} in all).", column, row)


@ROWS.rule(
    "critical-sharpness-not-positive",
    Severity.WARNING,
    "`critical_sharpness` is above 0 or null",
    "Write null where no step along the update raises the loss, or where each does.",
)
def _critical(log: Log) -> Iterator[Fault]:
    name = CRITICAL_SHARPNESS.name
    if name in log.values and (bad := ~(log.values[name] > 0) & np.isfinite(log.values[name])).any():
        row = _first(bad)
        found = f"{float(log.values[name][row])!r} at step {log.step[row]}"
        yield Fault(f"{name} must be above 0 or null, found {found} ({bad.sum()} in all).", name, row)


def _first(where: NDArray[np.bool_]) -> int:
    return int(where.argmax())
