"""A run of a source as columns and metadata of a log."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError, shown
from mstudy.core.statuses import RunStatus
from mstudy.importers.given_losses import until_diverged
from mstudy.importers.mapping import COLUMN_NAMES, Mapping, choose
from mstudy.importers.row_order import lost_rows, require_kept
from mstudy.importers.settings.facts import NUMBERS, Facts, facts_of, other_settings
from mstudy.importers.settings.names import CONFIG_NAMES
from mstudy.importers.source_run import Series, Setting, SourceRun
from mstudy.runlog.recording.describe import complete_metadata

_RATES = ("train_learning_rate", "train_lr", "lr_sgd", "lr_pg0", "lr_sgd_pg1", "lr_sgd_momentum")
_METRIC_NAMES = CONFIG_NAMES | {
    "learning_rate": (*CONFIG_NAMES["learning_rate"], *_RATES),
    "batch_size": ("batch_size", "batchsize", "train_batch_size", "bs"),
}
_MAX_TOLD = 1000  # characters of what was left out, in the metadata
_ROUNDING = 1e-5  # by which a logged learning rate may differ from that of the settings


@dataclass(frozen=True)
class Assembled:
    """What will be written. used: column -> metric, and key -> setting, of the source; unread: other settings."""

    columns: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    used_columns: dict[str, str]
    used_config: dict[str, str]
    notes: tuple[str, ...]
    unread: tuple[str, ...] = ()


def assemble(run: SourceRun, mapping: Mapping, kind: str) -> Assembled:
    """Name the run's columns and facts, cut it where it diverged. Raises LogError where the analysis needs more.

    The rows are those of the loss; another metric's values at steps without a loss are left out, and counted.
    """
    used = _used_columns(run, mapping)
    facts = facts_of(run, mapping)
    is_restarted = mapping.values_for(run.name).get("restarts") is True
    lost = _notes_on_rows(run, used, is_restarted)
    loss, diverged, notes = until_diverged(used["loss"], run.series[used["loss"]])
    lost += notes
    columns: dict[str, NDArray[Any]] = {"step": loss.steps, "loss": loss.values}
    for name, metric in used.items():
        if name != "loss":
            columns[name], n_lost = _at(loss.steps, run.series[metric])
            if n_lost:
                lost.append(f"{n_lost} values of {metric} at steps without a loss are left out")
    values, change, notes = _with_metrics(run, mapping, facts)
    notes = [*notes, *facts.notes, *_warnings(loss, change)]
    try:
        named = {"imported_from": kind, "source_name": run.name}
        about = complete_metadata(run_id_of(run.name), other_settings(run, facts) | values | named)
    except LogError as error:
        raise LogError(
            f"{error} Name it by --map, in config or values; its settings are {_some_of(run.config)}."
        ) from None
    about |= {"learning_rate_changes": change} if change is not None else {}
    about |= _left_out(run, used["loss"], loss, lost)
    ended = {"status": run.status if diverged is None else RunStatus.DIVERGED, "diverged_step": diverged}
    clock = {} if run.clock_name is None else {"step": run.clock_name}
    return Assembled(columns, about | ended, clock | used, facts.used, (*run.notes, *lost, *notes), facts.unread)


def _used_columns(run: SourceRun, mapping: Mapping) -> dict[str, str]:
    used = {
        name: metric for name in COLUMN_NAMES if (metric := choose(name, mapping.columns, COLUMN_NAMES, run.series))
    }
    if used.get("batch_loss") == used.get("loss"):
        used.pop("batch_loss", None)
    if "loss" not in used:
        wanted = mapping.columns.get("loss", "the training loss")
        raise LogError(
            f"{wanted} must be among the metrics, found {_some_of(run.series)}; name it by --map, columns.loss."
        )
    return used


def _notes_on_rows(run: SourceRun, used: dict[str, str], is_allowed: bool) -> list[str]:
    """Tell the rows that did not stay. Raises LogError where they are too many, unless the map says what they are, and
    where the loss was logged without steps.
    """
    notes = []
    for name, metric in used.items():
        written, kept = run.written.get(metric, run.series[metric].steps), run.series[metric].steps
        if name == "loss" and len(written) > 1 and (written == written[0]).all():
            raise LogError(
                f"{metric} must be logged with steps, found {len(written)} values at step {written[0]}: their logger "
                "was given none, or one that begins again; write them as a table with a column step."
            )
        if not is_allowed:
            require_kept(metric, name == "loss", written, kept)
        notes.append(lost_rows(metric, written, kept))
    return [note for note in notes if note is not None]


def _left_out(run: SourceRun, metric: str, loss: Series, lost: list[str]) -> dict[str, Any]:
    """Return how many rows of the source the log does not hold, and why; nothing where it holds all."""
    written = run.written.get(metric, run.series[metric].steps)
    n_rows = run.n_left_out + len(written) - len(loss.steps)
    told = "; ".join([*(note for note in run.notes if " left out" in note), *lost])
    return {"rows_left_out": n_rows, "left_out": told[:_MAX_TOLD]} if n_rows or told else {}


def _warnings(loss: Series, change: str | None) -> list[str]:
    notes = ["warning: the log has one row"] if len(loss.steps) == 1 else []
    if change is not None:
        notes.append(
            f"warning: its learning rate changes over the run ({change}): no threshold can be had of it; "
            "values.changing_rate = true of a map says that it is meant"
        )
    return notes


def _with_metrics(run: SourceRun, mapping: Mapping, facts: Facts) -> tuple[dict[str, Setting], str | None, list[str]]:
    """Return the facts with those that only metrics of their name hold, the setting by which the learning rate changes,
    and which of them change in the log. Raises LogError where one changes or differs, and nothing says what counts.
    """
    given, values, notes, change = mapping.values_for(run.name), dict(facts.values), [], facts.change
    is_allowed = given.get("changing_rate") is True or "learning_rate" in given
    for key in NUMBERS:
        metric = choose(key, mapping.config, _METRIC_NAMES, run.series)
        if metric is None or not np.isfinite(run.series[metric].values).any():
            continue
        series = _finite(run.series[metric])
        moved = _change(metric, series)
        if moved is None and key not in values:
            values[key] = _short(float(series.values[0]))
        if moved is not None and (key not in values or (key == "learning_rate" and not is_allowed)):
            raise LogError(f"{key} must be one number for a run, found {moved}; give it by --map, values.{key}.")
        if moved is not None:
            notes.append(f"{moved}; {key} is {shown(values[key])} here")
        if key == "learning_rate" and moved is None:
            change = None if len(series.values) > 1 else change
            _require_same_rate(metric, float(series.values[0]), facts, given)
    return values, None if is_allowed else change, notes


def _require_same_rate(metric: str, logged: float, facts: Facts, given: dict[str, Setting]) -> None:
    """Raise LogError where the learning rate of the settings is another than that of the log."""
    rate = facts.values.get("learning_rate")
    if "learning_rate" in given or facts.notes or not isinstance(rate, int | float) or not math.isfinite(logged):
        return
    if abs(logged - rate) > _ROUNDING * abs(rate):
        raise LogError(
            f"learning_rate must be one number for a run, found {rate} in its settings and {logged:g} as its metric "
            f"{metric}; give it by --map, values.learning_rate."
        )


def _short(value: float) -> float:
    """Return the shortest number of the same float32, where the value is one: 0.1 for 0.10000000149."""
    with np.errstate(over="ignore"):
        single = np.float32(value)
    return float(str(single)) if float(single) == value else value


def _finite(series: Series) -> Series:
    is_finite = np.isfinite(series.values)
    return Series(series.steps[is_finite], series.values[is_finite])


def _change(metric: str, series: Series) -> str | None:
    """Return where a metric first changes, and from what to what; None where it does not."""
    other = np.flatnonzero(series.values[1:] != series.values[:-1])
    if len(other) == 0:
        return None
    before, after = (float(value) for value in series.values[other[0] : other[0] + 2])
    return f"{metric} changes from {before!r} to {after!r} at step {series.steps[other[0] + 1]}"


def run_id_of(name: str) -> str:
    """Return a name for the run and its file from whatever its source calls it: it cannot leave a folder, nor meet
    another.
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._=-") else "-" for c in name).strip(".-")
    return f"{plain[:80]}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}".lstrip("-")


def _at(steps: NDArray[np.int64], series: Series) -> tuple[NDArray[np.float64], int]:
    """Return the metric's values at these steps, NaN where it has none, and how many of its values have no such
    step.
    """
    values = np.full(len(steps), math.nan)
    shared, places, own = np.intersect1d(steps, series.steps, assume_unique=True, return_indices=True)
    values[places] = series.values[own]
    within = series.steps <= steps[-1]
    return values, int(within.sum()) - len(shared)


def _some_of(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more or "none"
