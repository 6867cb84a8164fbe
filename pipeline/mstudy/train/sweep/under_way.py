"""Journals of the runs that train now, in the store: a view for `mstudy watch`, of which training reads nothing.

Each has the form of the journal of a RunLogger (docs/log-format.md). They are gone when the ensemble ends; those of a
killed process stay until its runs train again.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.quantities import MEASURED_COLUMNS
from mstudy.core.statuses import RunStatus
from mstudy.runlog.format.schema import JOURNAL_SUFFIX, METADATA_KEY, UNDER_WAY
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.logged_rows import Rows

_SECONDS = 2.0  # between two tellings, at least
_SHARE = 0.02  # of the time of training, at most

Told = list[tuple[int, NDArray[np.float64]]]


class UnderWay:
    """The journals of an ensemble; use it as a context. Where the disk refuses them, training goes on without."""

    def __init__(self, store: Path, runs: Sequence[RunConfig]) -> None:
        self._folder = store / UNDER_WAY
        self._runs = list(runs)
        self._told: list[Told | None] = [None] * len(self._runs)
        self._ended = [False] * len(self._runs)
        self._next = time.monotonic() + _SECONDS

    def __enter__(self) -> UnderWay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for run, told in zip(self._runs, self._told, strict=True):
            if told is not None:
                with contextlib.suppress(OSError):
                    self._path(run).unlink(missing_ok=True)

    def tell(self, rows: Rows) -> None:
        """Append what is new, if the last time is long enough ago."""
        started = time.monotonic()
        if started < self._next:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            for place in range(len(self._runs)):
                self._tell_run(place, rows)
        ended = time.monotonic()
        self._next = ended + max(_SECONDS, (ended - started) / _SHARE)

    def _tell_run(self, place: int, rows: Rows) -> None:
        run, now, before = self._runs[place], list(rows.by_run[place].items()), self._told[place]
        path = self._path(run)
        if before is None:
            path.unlink(missing_ok=True)  # of a process that was killed
        new = now[_first_change(before or [], now) :]
        lines = [] if before is not None else [{METADATA_KEY: run.metadata()}]
        lines += [_row(step, values) for step, values in new]
        diverged = rows.diverged_step[place]
        if diverged is not None and not self._ended[place]:
            ended = {"status": RunStatus.DIVERGED, "diverged_step": diverged}
            lines.append({METADATA_KEY: run.metadata() | ended})
        with path.open("ab") as journal:
            journal.write("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines).encode())
        os.utime(path)  # also without news: the run goes on
        self._told[place], self._ended[place] = now, diverged is not None

    def _path(self, run: RunConfig) -> Path:
        return self._folder / f"{run.run_id}{JOURNAL_SUFFIX}"


def _first_change(before: Told, now: Told) -> int:
    """Return the place of the first row that was not told: adaptive logging adds rows between those there are."""
    for place, (told, row) in enumerate(zip(before, now, strict=False)):
        if told[1] is not row[1]:
            return place
    return min(len(before), len(now))


def _row(step: int, values: NDArray[np.float64]) -> dict[str, Any]:
    measured = zip(MEASURED_COLUMNS, values.tolist(), strict=True)
    return {"step": step} | {name: value if math.isfinite(value) else None for name, value in measured}
