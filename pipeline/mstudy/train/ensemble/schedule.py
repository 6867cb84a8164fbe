"""At which steps a run is logged, and each quantity measured."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mstudy.core.errors import MAX_LOGGED_ROWS, ConfigError
from mstudy.core.params import Cadence
from mstudy.core.quantities import CHOSEN, MEASURED, Quantity


def logged_steps(cadence: Cadence, n_steps: int) -> list[int]:
    """Return every step up to `dense_steps`, then gaps that grow in proportion to the step, always odd; the last step
    too.

    Odd gaps: at the edge of stability quantities alternate with period 2, and an even stride would show only one of
    the two phases.

    Raises ConfigError where they are too many to be listed.
    """
    steps = list(islice(_logged_steps(cadence, n_steps), MAX_LOGGED_ROWS + 1))
    if len(steps) > MAX_LOGGED_ROWS:
        raise ConfigError(
            f"log must ask for at most {MAX_LOGGED_ROWS} rows a run, found more "
            f"(dense_steps = {cadence.dense_steps}, growth = {cadence.growth}, {n_steps} steps)."
        )
    return steps


def _logged_steps(cadence: Cadence, n_steps: int) -> Iterator[int]:
    step = min(cadence.dense_steps, n_steps)
    yield from range(step + 1)
    while step < n_steps:
        step = min(step + int(cadence.growth * step) // 2 * 2 + 1, n_steps)
        yield step


def logged_columns(cadence: Cadence) -> list[str]:
    """Return the columns that the cadence asks for: one that is never measured is left out, not filled with nulls."""
    return [column for quantity in MEASURED if cadence.interval(quantity) for column in quantity.columns]


def replayed(cadence: Cadence) -> Cadence:
    """Return the cadence of the rows that adaptive logging adds: in each of them, all that is cheap."""
    added = {quantity.name: int(quantity.in_replays and cadence.interval(quantity) > 0) for quantity in CHOSEN}
    return cadence.measuring(**added)


class Schedule:
    """What to measure when: each quantity at every so many-th logged step and at the last one; never if that is 0."""

    def __init__(self, cadence: Cadence, steps: list[int]) -> None:
        self.steps = steps
        self._logged = set(steps)
        self._asked = {quantity: _every(steps, cadence.interval(quantity)) for quantity in MEASURED}

    def logs(self, step: int) -> bool:
        """Return whether the step has a row."""
        return step in self._logged

    def asked(self, step: int) -> list[Quantity]:
        """Return the quantities that the row of the step has."""
        return [quantity for quantity in MEASURED if self.asks(quantity, step)]

    def asks(self, quantity: Quantity, step: int) -> bool:
        """Return whether the row of the step has the quantity."""
        return step in self._asked[quantity]


def _every(steps: list[int], n: int) -> set[int]:
    return {*steps[::n], steps[-1]} if n else set()
