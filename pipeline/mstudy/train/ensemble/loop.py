"""The training of one ensemble from first step to last, which may be saved between any two steps and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from mstudy.core.quantities import DIRECTIONAL_CURVATURE, MEASURED_COLUMNS
from mstudy.core.statuses import RunStatus
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.adaptive_logging import changed_fast, replay
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.schedule import Schedule, logged_columns, logged_steps
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.step import Ensemble


@dataclass(frozen=True)
class RunLog:
    """What one run left: columns of the schema, each (n_rows,), and how it ended."""

    config: RunConfig
    columns: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    diverged_step: int | None

    @property
    def status(self) -> RunStatus:
        """completed or diverged."""
        return RunStatus.COMPLETED if self.diverged_step is None else RunStatus.DIVERGED


def train_ensemble(runs: Sequence[RunConfig], data: Dataset, device: torch.device | None = None) -> list[RunLog]:
    """Train the runs together; return one log each, in their order.

    They differ only in optimizer, learning rate, momentum, seed and branching; all have as many updates.
    """
    training = Training(runs, data, device or torch.device("cpu"))
    while not training.finished:
        training.step()
    return training.logs()


class Training:
    """An ensemble under way."""

    def __init__(self, runs: Sequence[RunConfig], data: Dataset, device: torch.device) -> None:
        self._runs, self._device = list(runs), device
        self._shared = runs[0]
        self._ensemble = Ensemble(runs, data, device)
        cadence = self._shared.cadence
        self._schedule = Schedule(cadence, logged_steps(cadence, self._shared.n_updates))
        self._rows = Rows.empty(len(runs))
        self._state = self._ensemble.start()
        self._before: State | None = None  # at the last row with a curvature; kept only for adaptive logging

    @property
    def finished(self) -> bool:
        """Whether the last step is logged or no member is left."""
        return self._state.step > self._shared.n_updates or not self._state.members

    @property
    def steps_done(self) -> int:
        """Updates made so far."""
        return self._state.step

    @property
    def logged(self) -> Rows:
        """The rows logged so far."""
        return self._rows

    def step(self) -> None:
        """Make one step of all members, logged where the schedule says so."""
        step, factor = self._state.step, self._shared.cadence.adaptive_factor
        state = self._state.copy() if factor is not None and self._schedule.asks(DIRECTIONAL_CURVATURE, step) else None
        self._ensemble.advance(self._state, self._rows, self._schedule)
        if state is not None and factor is not None:
            self._fill_the_gap(step, factor)
            self._before = state

    def logs(self) -> list[RunLog]:
        """Return one log a run, in the order of the runs."""
        return [self._log(place) for place in range(len(self._runs))]

    def saved(self) -> dict[str, Any]:
        """Return all that `restore` needs, as plain values and tensors."""
        before = None if self._before is None else self._before.saved()
        return {"state": self._state.saved(), "rows": self._rows.saved(), "before": before}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on where `saved` was taken. Raises ValueError where that was another training."""
        begun = self._ensemble.start()
        state, rows = State.restored(saved["state"], self._device), Rows.restored(saved["rows"])
        before = None if saved["before"] is None else State.restored(saved["before"], self._device)
        states_fit = all(each.follows(begun) for each in (state, before) if each is not None)
        if not (states_fit and rows.fits(len(self._runs)) and state.step <= self._shared.n_updates + 1):
            raise ValueError("the checkpoint of another training")
        self._state, self._rows, self._before = state, rows, before

    def _fill_the_gap(self, step: int, factor: float) -> None:
        before = self._before
        if before is None or step - before.step < 2:
            return
        ends = {before.step, step}
        logged = [m for m in self._state.members if ends <= self._rows.by_run[m].keys()]
        jumped = [member for member in logged if changed_fast(self._rows, member, factor)]
        if jumped:
            replay(self._ensemble, before, self._rows, jumped, step)

    def _log(self, place: int) -> RunLog:
        run, diverged = self._runs[place], self._rows.diverged_step[place]
        steps, table = self._rows.table(place)
        wanted = logged_columns(run.cadence)
        columns = {"step": steps} | {n: v for n, v in zip(MEASURED_COLUMNS, table.T, strict=True) if n in wanted}
        metadata = {
            **run.metadata(),
            "status": RunStatus.COMPLETED if diverged is None else RunStatus.DIVERGED,
            "diverged_step": diverged,
            "curvature_samples": run.probe_samples,
            "n_parameters": self._ensemble.n_parameters,
            **self._ensemble.describe(),
            "torch": str(torch.__version__),
        }
        return RunLog(run, columns, metadata, diverged)
