"""Rows of a log that wait on the device until they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mstudy.core.quantities import LOSS, MEASURED_COLUMNS

_LOSS = MEASURED_COLUMNS.index(LOSS.name)


@dataclass
class Rows:
    """The logged rows of every run of an ensemble: per run, step -> measured values, in the order of the steps."""

    by_run: list[dict[int, NDArray[np.float64]]]
    diverged_step: list[int | None] = field(default_factory=list)

    @classmethod
    def empty(cls, n_runs: int) -> Rows:
        """Make rows without any."""
        return cls([{} for _ in range(n_runs)], [None] * n_runs)

    def add(self, step: int, members: list[int], table: NDArray[np.float64]) -> None:
        """Add the rows of one step, (n_members, n_columns) as in MEASURED_COLUMNS; only those with a finite loss."""
        for member, row in zip(members, table, strict=True):
            if np.isfinite(row[_LOSS]):  # the full loss may overflow a few steps before the batch loss does
                self.by_run[member][step] = row

    def fill(self, run: int, values: dict[int, NDArray[np.float64]]) -> None:
        """Add rows between those there are; where a step has one, only what it lacks."""
        rows = self.by_run[run]
        for step, row in values.items():
            rows[step] = np.where(np.isnan(rows[step]), row, rows[step]) if step in rows else row
        self.by_run[run] = dict(sorted(rows.items()))

    def table(self, run: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return steps (n_rows,) in order and the values there (n_rows, n_columns)."""
        rows = self.by_run[run]
        return np.array(list(rows), dtype=np.int64), np.stack(list(rows.values()))

    def saved(self) -> dict[str, Any]:
        """Return them as plain values and tensors, two a run: thousands of small ones would take seconds to write."""
        return {
            "columns": list(MEASURED_COLUMNS),
            "steps": [list(rows) for rows in self.by_run],
            "tables": [torch.from_numpy(np.array(list(rows.values()))) for rows in self.by_run],
            "diverged_step": self.diverged_step,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> Rows:
        """Return the inverse of `saved`; what was saved before a quantity was added to the list lacks its columns."""
        columns = saved.get("columns", MEASURED_COLUMNS)
        tables = zip(saved["steps"], saved["tables"], strict=True)
        by_run = [dict(zip(steps, _in_place(table.numpy(), columns), strict=True)) for steps, table in tables]
        return cls(by_run, saved["diverged_step"])

    def fits(self, n_runs: int) -> bool:
        """Return whether these are rows of so many runs."""
        return len(self.by_run) == len(self.diverged_step) == n_runs


def _in_place(table: NDArray[np.float64], columns: list[str]) -> NDArray[np.float64]:
    """Return rows (n_rows, n_columns) of these columns as rows of MEASURED_COLUMNS, NaN where one is missing."""
    placed = np.full((len(table), len(MEASURED_COLUMNS)), np.nan)
    if len(table):
        placed[:, [MEASURED_COLUMNS.index(name) for name in columns]] = table
    return placed
