"""The paired swap test: is the event of SGDM later than that of the SGD run of its pair?

Null: within a pair the two are exchangeable. Statistic: the log-rank score stratified by cell, which is the sum over
SGD runs of (event - cumulative hazard at the run's end), the hazard pooled over both (Nelson-Aalen). Swapping the
members of a pair swaps two such terms, so the test is a sign-flip test of their differences. It is right also when one
side has no event at all, where Cox's Wald test fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

_MAX_ENUMERATED_PAIRS = 14  # informative pairs up to which all swaps are tried


@dataclass(frozen=True)
class PairedTimes:
    """Column 0 is SGD, column 1 SGDM. time: (n_pairs, 2); event, diverged: (n_pairs, 2) bool; cell: (n_pairs,)."""

    time: NDArray[np.float64]
    event: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    cell: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_] | NDArray[np.intp]) -> PairedTimes:
        """Return the pairs that a mask or an index selects."""
        return PairedTimes(self.time[mask], self.event[mask], self.diverged[mask], self.cell[mask])


@dataclass(frozen=True)
class Swap:
    """p_value: two-sided, None without an event. score > 0: SGD has more events than expected. n_informative: pairs."""

    p_value: float | None
    score: float
    n_informative: int


def swap_test(times: PairedTimes, n_resamples: int, rng: np.random.Generator) -> Swap:
    """Run the test: all swaps where few pairs differ, else random ones."""
    differences = score_differences(times)
    informative = differences[np.abs(differences) > 1e-12]
    n = len(informative)
    if n == 0:
        return Swap(None, 0.0, 0)
    if n <= _MAX_ENUMERATED_PAIRS:
        signs = np.array(list(product((1.0, -1.0), repeat=n)))
        extreme = float((np.abs(signs @ informative) >= abs(informative.sum()) - 1e-9).mean())
        return Swap(extreme, float(informative.sum()) / 2, n)
    flipped = np.abs(rng.choice((1.0, -1.0), size=(n_resamples, n)) @ informative)
    as_extreme = int((flipped >= abs(informative.sum()) - 1e-9).sum())
    return Swap((1 + as_extreme) / (n_resamples + 1), float(informative.sum()) / 2, n)


def score_differences(times: PairedTimes) -> NDArray[np.float64]:
    """Return the term of SGD less that of SGDM in the log-rank score of their cell, (n_pairs,)."""
    terms = _log_rank_terms(times.time.ravel(), times.event.ravel(), np.repeat(times.cell, 2)).reshape(-1, 2)
    differences: NDArray[np.float64] = terms[:, 0] - terms[:, 1]
    return differences


def _log_rank_terms(
    time: NDArray[np.float64], event: NDArray[np.bool_], cell: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return event - cumulative hazard of the cell up to the own time, (n_runs,); all cells in one sweep."""
    if len(time) == 0:
        return np.zeros(0)
    order = np.lexsort((time, cell))
    new_cell = _changes(cell[order])
    moments = np.flatnonzero(new_cell | _changes(time[order]))  # first of the runs of one cell and time
    moment_of = np.repeat(np.arange(len(moments)), np.diff(np.append(moments, len(order))))
    cells = np.flatnonzero(new_cell)
    ends = np.append(cells[1:], len(order))
    cell_of = np.cumsum(new_cell)[moments] - 1
    happened = event[order].astype(np.float64)
    hazard = np.cumsum(np.add.reduceat(happened, moments) / (ends[cell_of] - moments))
    before = np.append(0.0, hazard)[np.searchsorted(moments, cells)]  # what other cells have summed up to
    terms = np.empty(len(order))
    terms[order] = happened - (hazard - before[cell_of])[moment_of]
    return terms


def _changes(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return whether each value differs from the one before; the first does."""
    return np.append(True, values[1:] != values[:-1])
