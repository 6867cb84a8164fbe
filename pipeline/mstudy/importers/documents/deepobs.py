"""DeepOBS: losses of an epoch each, on the training set, and of mini-batches; the settings in the same document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError
from mstudy.importers.documents.document import find_documents, series_of
from mstudy.importers.mapping import Mapping
from mstudy.importers.row_order import in_order
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_run import Clock, Found, Series, SourceRun, flatten

_OF_EPOCHS = {"train_loss": "train_losses", "train_accuracy": "train_accuracies"}
_OF_BATCHES = "minibatch_train_losses"
_RESULTS = {*_OF_EPOCHS.values(), _OF_BATCHES}


def find_deepobs(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder, or of one document. Raises LogError where there is none."""
    return find_documents(root, mapping, "DeepOBS", (b'"train_losses"', b'"testproblem"'), _read)


def _read(document: dict[str, Any], path: Path, name: str, mapping: Mapping) -> SourceRun:
    losses = document.get("train_losses")
    if not isinstance(losses, list) or not losses:
        raise LogError(f"A document of DeepOBS must have a list train_losses, found none in {path}.")
    config = settings_beside(path.parent) | flatten({k: v for k, v in document.items() if k not in _RESULTS})
    per_epoch, note = _per_epoch(document, len(losses) - 1, path, mapping.steps_per_epoch(name))
    steps = [round(epoch * per_epoch) for epoch in range(len(losses))]
    series: dict[str, Series] = {}
    for metric, key in _OF_EPOCHS.items():
        if key in document:
            series[metric] = series_of(document[key], steps, key, path)
    batches = document.get(_OF_BATCHES)
    if isinstance(batches, list) and _interval(document) == 1:
        series["batch_loss"] = series_of(batches, list(range(len(batches))), _OF_BATCHES, path)
    written = {metric: own.steps for metric, own in series.items()}
    return SourceRun(name, in_order(series), config, notes=(note,), written=written, clock=Clock.CONVERTED)


def _interval(document: dict[str, Any]) -> object:
    return document.get("train_log_interval", 1)


def _per_epoch(document: dict[str, Any], n_epochs: int, path: Path, given: float | None) -> tuple[float, str]:
    """Return the updates of an epoch, by the map or by the losses of mini-batches, and what is to be said.

    Raises LogError where neither says them.
    """
    batches = document.get(_OF_BATCHES)
    seen = len(batches) / n_epochs if isinstance(batches, list) and n_epochs > 0 else 0.0
    is_clear = _interval(document) == 1 and seen >= 1 and seen == int(seen)
    if given is not None and is_clear and given != seen:
        raise LogError(f"steps_per_epoch must be that of the log, {seen:g}, found {given:g} in the map, for {path}.")
    if given is None and not is_clear and n_epochs > 0:
        raise LogError(
            f"The updates of an epoch must be known, found no loss of every mini-batch in {path}; give "
            "values.steps_per_epoch by --map."
        )
    per_epoch = given or seen or 1.0
    return per_epoch, f"steps are epochs times {per_epoch:g}"
