"""A run of a source as columns and metadata of a log."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError, shown
from mstudy.core.optimizers import SGD, implied_optimizer, name_of_optimizer
from mstudy.core.statuses import RunStatus
from mstudy.importers.mapping import COLUMN_NAMES, CONFIG_NAMES, Mapping, choose
from mstudy.importers.row_order import lost_rows, require_kept
from mstudy.importers.source_run import Series, Setting, SourceRun
from mstudy.runlog.recording.describe import complete_metadata
from mstudy.runlog.rules.trained_alike import CHANGES_LOSS
from mstudy.runlog.schema import MAX_STEP

_WHOLE_NUMBERS = ("batch_size", "seed", "n_train")
_PAIR = re.compile(r"([A-Za-z][A-Za-z_]*)=([^=,/\s]*?)(?=$|[,/\s]|[_-][A-Za-z][A-Za-z_]*=)")
_MAX_NAME_LENGTH = 1000
_NUMBERS = ("learning_rate", "momentum", *_WHOLE_NUMBERS)


@dataclass(frozen=True)
class Assembled:
    """What will be written. used: column -> metric, and key -> setting, of the source."""

    columns: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    used_columns: dict[str, str]
    used_config: dict[str, str]
    notes: tuple[str, ...]


def assemble(run: SourceRun, mapping: Mapping, kind: str) -> Assembled:
    """Name the run's columns and facts, cut it where it diverged. Raises LogError where the analysis needs more.

    The rows are those of the loss; another metric's values at steps without a loss are left out, and counted.
    """
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
    facts, used_config = _facts(run, mapping)
    notes = [*run.notes, *_notes_on_rows(run, used, is_allowed=facts.pop("restarts", False) is True)]
    loss, diverged = _until_diverged(run.series[used["loss"]])
    columns: dict[str, NDArray[Any]] = {"step": loss.steps, "loss": loss.values}
    for name, metric in used.items():
        if name != "loss":
            columns[name], n_lost = _at(loss.steps, run.series[metric])
            if n_lost:
                notes.append(f"{n_lost} values of {metric} at steps without a loss are left out")
    notes += _notes_on_changes(run, mapping, facts)
    try:
        named = {"imported_from": kind, "source_name": run.name}
        about = complete_metadata(run_id_of(run.name), _other_settings(run) | facts | named)
    except LogError as error:
        raise LogError(
            f"{error} Name it by --map, in config or values; its settings are {_some_of(run.config)}."
        ) from None
    ended = {"status": run.status if diverged is None else RunStatus.DIVERGED, "diverged_step": diverged}
    return Assembled(columns, about | ended, used, used_config, tuple(notes))


def _other_settings(run: SourceRun) -> dict[str, Setting]:
    """Return the settings of which the log format says that they change a loss, as weight decay does.

    The rules compare them between SGD and SGDM. What a source nests, `optim.weight_decay`, has its last name.
    """
    plain = {key.rpartition(".")[2]: value for key, value in sorted(run.config.items(), reverse=True)}
    return {
        key: value
        for key, value in plain.items()
        if key in CHANGES_LOSS and not (isinstance(value, float) and not math.isfinite(value))
    }


def _notes_on_rows(run: SourceRun, used: dict[str, str], is_allowed: bool) -> list[str]:
    """Tell the rows that did not stay. Raises LogError where they are too many, unless the map says what they are."""
    notes = []
    for name, metric in used.items():
        written, kept = run.written.get(metric, run.series[metric].steps), run.series[metric].steps
        if not is_allowed:
            require_kept(metric, name == "loss", written, kept)
        notes.append(lost_rows(metric, written, kept))
    return [note for note in notes if note is not None]


def _notes_on_changes(run: SourceRun, mapping: Mapping, facts: dict[str, Setting]) -> list[str]:
    """Tell which settings, one number by the facts, change in a metric of their name. Raises LogError where the facts
    lack one.
    """
    notes = []
    for key in _NUMBERS:
        metric = choose(key, mapping.config, CONFIG_NAMES, run.series)
        change = None if metric is None else _change(metric, run.series[metric])
        if change is not None and key not in facts:
            raise LogError(f"{key} must be one number for a run, found {change}; give it by --map, values.{key}.")
        if change is not None:
            notes.append(f"{change}; {key} is {shown(facts[key])} here")
    return notes


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


def _until_diverged(loss: Series) -> tuple[Series, int | None]:
    if len(loss.steps) == 0:
        raise LogError("the loss must have at least one value, found none.")
    if loss.steps[0] < 0:
        raise LogError(f"step must be at least 0, found {loss.steps[0]}.")
    if loss.steps[-1] > MAX_STEP:
        raise LogError(f"step must be at most {MAX_STEP}, found {loss.steps[-1]}.")
    bad = ~np.isfinite(loss.values)
    if not bad.any():
        return loss, None
    first = int(bad.argmax())
    if first == 0:
        raise LogError(f"the loss must be finite at first, found {loss.values[0]} at step {loss.steps[0]}.")
    return Series(loss.steps[:first], loss.values[:first]), int(loss.steps[first])


def _at(steps: NDArray[np.int64], series: Series) -> tuple[NDArray[np.float64], int]:
    """Return the metric's values at these steps, NaN where it has none, and how many of its values have no such
    step.
    """
    values = np.full(len(steps), math.nan)
    shared, places, own = np.intersect1d(steps, series.steps, assume_unique=True, return_indices=True)
    values[places] = series.values[own]
    within = series.steps <= steps[-1]
    return values, int(within.sum()) - len(shared)


def _facts(run: SourceRun, mapping: Mapping) -> tuple[dict[str, Setting], dict[str, str]]:
    config = _settings_in_name(run.name) | run.config
    used = {key: name for key in CONFIG_NAMES if (name := choose(key, mapping.config, CONFIG_NAMES, config))}
    facts: dict[str, Setting] = {key: config[name] for key, name in used.items()}
    facts |= mapping.values | mapping.runs.get(run.name, {})
    facts.pop("steps_per_epoch", None)
    for key in _NUMBERS:
        if key in facts:
            facts[key] = _number(key, facts[key])
    return _with_optimizer(facts), used


def _with_optimizer(facts: dict[str, Setting]) -> dict[str, Setting]:
    """Return the schema's word for the optimizer; plain "SGD" with momentum is heavy ball, or Nesterov where it says
    so.
    """
    nesterov = str(facts.pop("nesterov", False)).lower() in ("true", "1", "1.0")
    named = facts.pop("optimizer", None)
    optimizer = None
    if named is not None:
        plain = str(named).rsplit(".", 1)[-1].lower().replace("-", "_")
        optimizer = name_of_optimizer(plain) or str(named)
    momentum = facts.get("momentum", 0.0)
    if optimizer in (None, SGD) and isinstance(momentum, int | float) and momentum > 0:
        optimizer = implied_optimizer(momentum, nesterov)
    return facts if optimizer is None else facts | {"optimizer": optimizer}


def _number(key: str, value: Setting) -> Setting:
    """Return text as a number where it is one; 64.0 is a whole number."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise LogError(f"{key} must be a number, found {value!r}.") from None
    if key in _WHOLE_NUMBERS and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _settings_in_name(name: str) -> dict[str, Setting]:
    """Return `key=value` pairs in a run's name, as in "mlp_lr=0.1_momentum=0.9_batch_size=64"."""
    settings: dict[str, Setting] = {}
    for key, value in _PAIR.findall(name[:_MAX_NAME_LENGTH]):
        words = key.lower().split("_")
        endings = ["_".join(words[k:]) for k in range(len(words))]  # of mlp_batch_size the longest that is known
        known = [ending for ending in endings if any(ending in names for names in CONFIG_NAMES.values())]
        settings |= {known[0]: value} if known else {}
    return settings


def _some_of(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - 8} more" if len(ordered) > 8 else ""
    return ", ".join(ordered[:8]) + more or "none"
