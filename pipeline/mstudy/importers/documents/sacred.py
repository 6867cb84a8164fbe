"""Sacred's FileStorageObserver: in a folder a run, `metrics.json`, `config.json` and `run.json`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.core.statuses import RunStatus
from mstudy.importers.documents.document import read_document, series_of
from mstudy.importers.mapping import Mapping
from mstudy.importers.row_order import in_order
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_files import files_below, is_plain
from mstudy.importers.source_run import Found, SourceRun, name_of

_ENDED = "COMPLETED"


def find_sacred(root: Path, mapping: Mapping) -> list[Found]:
    """Return the folders that hold metrics. Raises LogError where there is none."""
    paths = files_below(root, "metrics.json")
    if not paths:
        raise LogError(f"The source must hold runs of Sacred, found no metrics.json in {root}.")
    names = {path: name_of(path.parent if path != root else path, root) for path in paths}
    return [Found(name, partial(_read, path, name)) for path, name in names.items()]


def _read(path: Path, name: str) -> SourceRun:
    series = {}
    for metric, own in read_document(path).items():
        if not isinstance(own, dict):
            raise LogError(f"A metric of Sacred must have steps and values, found {type(own).__name__} in {path}.")
        series[metric] = series_of(_values(own.get("values")), own.get("steps"), metric, path)
    written = {metric: own.steps for metric, own in series.items()}
    beside = path.with_name("run.json")
    status = read_document(beside).get("status") if is_plain(beside) else _ENDED
    ended = RunStatus.COMPLETED if status == _ENDED else RunStatus.INTERRUPTED
    return SourceRun(name, in_order(series), settings_beside(path.parent), ended, written=written)


def _values(values: object) -> object:
    """Return a list of values without what jsonpickle puts around those of NumPy."""
    if not isinstance(values, list):
        return values
    return [value["value"] if isinstance(value, dict) and "value" in value else value for value in values]
