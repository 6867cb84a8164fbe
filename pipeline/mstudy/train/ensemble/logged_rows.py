"""Rows of a log that wait on the device until they are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_ROWS = ("w", "velocity", "eigenvectors", "loss_limit", "diverged_at")


@dataclass
class Rows:
    """The logged rows of every run of an ensemble: per run, step -> measured values, in the order of the steps."""

    by_run: list[dict[int, NDArray[np.float64]]]
    diverged_step: list[int | None] = field(default_factory=list)

    @classmethod
    def empty(cls, n_runs: int) -> Rows:
        """No rows yet."""
        return cls([{} for _ in range(n_runs)], [None] * n_runs)

    def add(self, step: int, members: list[int], table: NDArray[np.float64]) -> None:
        """Rows of one step, (n_members, n_quantities), the loss first; one without a finite loss is left out."""
        for member, row in zip(members, table, strict=True):
            if np.isfinite(row[0]):  # the full loss may overflow a few steps before the batch loss does
                self.by_run[member][step] = row

    def fill(self, run: int, found: dict[int, NDArray[np.float64]]) -> None:
        """Add rows between those there are; where a step has one, only what it lacks."""
        here = self.by_run[run]
        for step, row in found.items():
            here[step] = np.where(np.isnan(here[step]), row, here[step]) if step in here else row
        self.by_run[run] = dict(sorted(here.items()))

    def table(self, run: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Steps (n_rows,) in order and the values there (n_rows, n_quantities)."""
        rows = self.by_run[run]
        return np.array(list(rows), dtype=np.int64), np.stack(list(rows.values()))

    def saved(self) -> dict[str, Any]:
        """As plain values and tensors, two a run: thousands of small ones would take seconds to write."""
        return {
            "steps": [list(rows) for rows in self.by_run],
            "tables": [torch.from_numpy(np.array(list(rows.values()))) for rows in self.by_run],
            "diverged_step": self.diverged_step,
        }

    @classmethod
    def restored(cls, saved: dict[str, Any]) -> Rows:
        """The inverse of `saved`."""
        tables = zip(saved["steps"], saved["tables"], strict=True)
        return cls([dict(zip(steps, table.numpy(), strict=True)) for steps, table in tables], saved["diverged_step"])
