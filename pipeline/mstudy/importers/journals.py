"""Journals that killed runs of a RunLogger left, as logs of interrupted runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.core.statuses import RunStatus
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Clock, Found, Series, SourceRun, flatten, name_of
from mstudy.runlog.format.schema import JOURNAL_SUFFIX
from mstudy.runlog.recording.journal import parse_journal

MAX_BYTES = 1 << 31


def find_journals(root: Path) -> list[Found]:
    """Return the journals below a folder, or one. Raises LogError where there is none."""
    paths = files_below(root, f"*{JOURNAL_SUFFIX}")
    if not paths:
        raise LogError(f"The source must hold journals, found no *{JOURNAL_SUFFIX} in {root}.")
    names = [name_of(path, root).removesuffix(JOURNAL_SUFFIX) for path in paths]
    return [Found(name, partial(_read_run, path, name)) for path, name in zip(paths, names, strict=True)]


def _read_run(path: Path, name: str) -> SourceRun:
    try:
        require_plain(path, MAX_BYTES, LogError)
        journal = parse_journal(path.read_bytes(), path)
    except OSError as error:
        raise LogError(f"A journal must be readable, found {path}: {error.strerror or error}.") from None
    steps = journal.columns.get("step")
    if steps is None:
        raise LogError(f"A journal must have at least one row, found none in {path}.")
    series = {column: Series(steps, values) for column, values in journal.columns.items() if column != "step"}
    return SourceRun(name, series, flatten(journal.metadata), RunStatus.INTERRUPTED, clock=Clock.UPDATES)
