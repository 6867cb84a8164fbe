"""One run under way: what its journal says so far."""

from __future__ import annotations

import math
from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.core.series import Series
from mstudy.core.statuses import Severity
from mstudy.core.theory import stability_line_of
from mstudy.runlog.format.schema import MAX_STEP, METADATA_KEY, UNDER_WAY
from mstudy.runlog.raw.metadata import run_row
from mstudy.runlog.recording.journal import parse_line
from mstudy.runlog.rules.metadata_fields import METADATA
from mstudy.watch.tail import Appended


class RunUnderWay:
    """The rows of a run, column by column, NaN where one was not measured.

    name: its place below the folder, or the store, without ending. row: of tables.RUNS, as far as the journal says.
    planned: updates of the whole run; None where it does not say (`steps`).
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name.removeprefix(f"{UNDER_WAY}/"), path
        self.row: dict[str, Any] = {}
        self.planned: int | None = None
        self._steps = array("q")
        self._columns: dict[str, array[float]] = {}
        self._n_lines = 0

    @property
    def n_rows(self) -> int:
        """Rows so far."""
        return len(self._steps)

    @property
    def last_step(self) -> int | None:
        """The step of the last row; None before the first."""
        return self._steps[-1] if self._steps else None

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps of the rows, (n_rows,)."""
        return np.array(self._steps, dtype=np.int64)

    def column(self, name: str) -> Series:
        """Return a column, (n_rows,); NaN where the journal has none of this name."""
        if name not in self._columns:
            return np.full(self.n_rows, np.nan)
        return np.array(self._columns[name], dtype=np.float64)

    def last(self, name: str) -> float | None:
        """Return the last value of a column that was measured; None where there is none."""
        return next((value for value in reversed(self._columns.get(name, ())) if not math.isnan(value)), None)

    def share_of_line(self, quantity: str) -> float | None:
        """Return the last curvature over the stability line; None where either is not known."""
        line, value = stability_line_of(self.row, quantity), self.last(quantity)
        return None if line is None or value is None else value / line

    def take(self, appended: Appended) -> None:
        """Add what was appended to the journal. Raises LogError where it breaks the format."""
        if appended.anew:
            self._cut(0)
            self._n_lines = 0
        for line in appended.lines:
            self._n_lines += 1
            entry = parse_line(line, self._n_lines, self.path)
            if isinstance(entry.get(METADATA_KEY), dict):
                self.describe(entry[METADATA_KEY])
            elif not self.row:
                raise LogError(f"A journal must begin with {METADATA_KEY!r}, found a row first, in {self.path}.")
            else:
                self.add(entry)

    def describe(self, metadata: dict[str, Any]) -> None:
        """Take what the run says of itself. Raises LogError where it cannot be a run's."""
        problems = METADATA.problems(metadata, str(self.path))
        errors = [problem for problem in problems if problem.severity == Severity.ERROR]
        if errors:
            raise LogError(f"{errors[0].reason.removesuffix('.')}, in {self.path}.")
        self.row = run_row(metadata, f"{self.name}.parquet")
        steps = metadata.get("steps")
        is_count = isinstance(steps, int) and not isinstance(steps, bool) and 0 < steps <= MAX_STEP
        self.planned = steps if is_count else None

    def add(self, row: dict[str, Any]) -> None:
        """Add a row; it replaces those from its step on."""
        while self._steps and self._steps[-1] >= row["step"]:
            self._cut(self.n_rows - 1)
        for name in row.keys() - self._columns.keys() - {"step"}:
            self._columns[name] = array("d", [math.nan] * self.n_rows)
        self._steps.append(row["step"])
        for name, values in self._columns.items():
            value = row.get(name)
            values.append(math.nan if value is None else value)

    def _cut(self, length: int) -> None:
        del self._steps[length:]
        for values in self._columns.values():
            del values[length:]
