"""The journals below a folder, read as they grow, and what became of those that are gone."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from mstudy.core.errors import LogError, MstudyError
from mstudy.core.statuses import RunStatus, WatchStatus
from mstudy.runlog.format.schema import JOURNAL_SUFFIX, UNDER_WAY
from mstudy.runlog.raw.listing import list_folder
from mstudy.runlog.raw.source import run_names
from mstudy.runlog.recording.resume import read_finished
from mstudy.watch.allowance import Allowance
from mstudy.watch.pace import Pace
from mstudy.watch.run import RunUnderWay
from mstudy.watch.tail import Tail

_OF_STORE = "timing/"  # Parquet files of a store that are no logs
_LISTING_SHARE = 0.01  # of a core, for looking what files there are
_ENDED = {
    RunStatus.COMPLETED: WatchStatus.COMPLETED,
    RunStatus.DIVERGED: WatchStatus.DIVERGED,
    RunStatus.INTERRUPTED: WatchStatus.INTERRUPTED,
}


@dataclass
class Watched:
    """A run, and how it stands. fault: why its journal cannot be read. quiet: seconds since it last wrote."""

    run: RunUnderWay
    pace: Pace
    tail: Tail
    fault: str = ""
    ended: WatchStatus | None = None
    quiet: float = 0.0
    written: float = 0.0  # when its file was last changed, by the file's clock
    size: int = -1
    changed: float = field(default=0.0)  # when that was seen, by ours

    @property
    def status(self) -> WatchStatus:
        """How the run stands now."""
        if self.ended is not None:
            return self.ended
        if self.fault:
            return WatchStatus.UNREADABLE
        if self.run.row and self.run.row["status"] == RunStatus.DIVERGED:
            return WatchStatus.DIVERGED
        return WatchStatus.SILENT if self.pace.is_silent(self.quiet) else WatchStatus.RUNNING


class WatchedFolder:
    """The runs of a folder. n_finished: logs that lie there. silent_after: seconds."""

    def __init__(self, root: Path, silent_after: float) -> None:
        self.root = root
        self.runs: dict[str, Watched] = {}
        self.n_finished = 0
        self._silent_after = silent_after
        self._listing = Allowance(_LISTING_SHARE)

    def look(self) -> None:
        """Read what is new. Raises LogError where the folder cannot be listed."""
        if self._listing.is_left:
            with self._listing.spent():
                self._list()
        for name, watched in self.runs.items():
            if watched.ended is None:
                self._read(name, watched)

    def _list(self) -> None:
        names = list_folder(str(self.root)).names
        self.n_finished = sum(not name.startswith(_OF_STORE) for name in run_names(names))
        for name in names:
            if name.endswith(JOURNAL_SUFFIX) and self._is_new(name):
                path = self.root / name
                run = RunUnderWay(name.removesuffix(JOURNAL_SUFFIX), path)
                self.runs[name] = Watched(run, Pace(self._silent_after), Tail(path))

    def _is_new(self, name: str) -> bool:
        return name not in self.runs or self.runs[name].ended is not None

    def _read(self, name: str, watched: Watched) -> None:
        now = time.time()
        try:
            found = os.stat(watched.run.path)
            if (found.st_mtime, found.st_size) != (watched.written, watched.size):
                first = watched.size < 0
                watched.written, watched.size = found.st_mtime, found.st_size
                watched.changed = min(found.st_mtime, now) if first else now
                watched.run.take(watched.tail.read())
                watched.fault = ""
                watched.pace.note(found.st_mtime, watched.run.last_step)
        except FileNotFoundError:
            watched.ended = _end(watched.run)
        except OSError as error:
            watched.fault = f"{watched.run.path}: {error.strerror or error}"
        except MstudyError as error:
            watched.fault = str(error)
        watched.quiet = max(now - watched.changed, 0.0)


def _end(run: RunUnderWay) -> WatchStatus:
    """Read the log that a run without a journal has become, and return how the run ended."""
    folder = run.path.parent.parent if run.path.parent.name == UNDER_WAY else run.path.parent
    try:
        metadata, rows = read_finished(folder / f"{Path(run.name).name}.parquet")
        run.describe(metadata)
    except LogError:
        return WatchStatus.GONE
    for row in rows:
        run.add(row)
    return _ENDED[RunStatus(run.row["status"])]
