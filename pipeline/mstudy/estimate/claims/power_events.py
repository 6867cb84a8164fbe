"""Power of the tests on event times (C4, C5), by simulation from the times that were observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.core.generators import generator_for
from mstudy.core.params import Estimate
from mstudy.estimate.event_times import coincidence_tests as coincidence
from mstudy.estimate.event_times.coincidence import aligned_pairs, times_of
from mstudy.estimate.event_times.coincidence_tests import Lag, Times
from mstudy.estimate.event_times.deferral import ALL, paired_times, timed_pairs
from mstudy.estimate.event_times.swap_test import PairedTimes, score_differences, swap_test

_DRAWS = 1000  # experiments on coincidence, fewer where each has many blocks
_BLOCKS_DRAWN = 30_000  # over all of them
_EXPERIMENTS = 150  # on deferral
_PERMUTATIONS = 199
_COUNTS = (3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_MAX_FACTOR = 10.0
_HALVINGS = 6


def coincidence_power(
    partings: pl.DataFrame, sharpenings: pl.DataFrame, estimate: Estimate, target: float
) -> dict[str, Any]:
    """C4. Effect: the correlation, over the seeds of a cell, of the two log times.

    The lag's equivalence adds what the observed lag and its error demand.
    """
    times = times_of(aligned_pairs(partings, sharpenings))
    blocks, seeds = np.unique(times.block), _seeds_per_cell(times)
    if len(blocks) < 2 or seeds < 2:
        return {
            "n_units": len(blocks),
            "replicate": "blocks",
            "note": "not estimable: both events were seen in fewer than two blocks with two seeds",
        }
    observed = _correlation_within(times)
    rng = generator_for("power", estimate.seed)

    def power(rho: float, n_seeds: int, n_blocks: int) -> float:
        return association_power(rho, n_seeds, n_blocks, estimate.alpha, rng)

    needed_seeds = needed_blocks = None
    if observed > 0:
        needed_seeds = _first(lambda n: power(observed, n, len(blocks)) >= target)
        needed_blocks = _first(lambda k: power(observed, seeds, k) >= target)
    lag = coincidence.lag_over_blocks(times)
    lag_blocks = None if lag is None else _blocks_for_equivalence(lag, len(blocks), estimate, target)
    return {
        "n_seeds": seeds,
        "n_units": len(blocks),
        "replicate": "blocks",
        "effect_80": _bisect(lambda rho: power(rho, seeds, len(blocks)), 0.0, 0.999, target),
        "unit": "correlation of the two log times over the seeds of a cell",
        "observed": observed,
        "seeds_needed": needed_seeds if lag_blocks is not None and lag_blocks <= len(blocks) else None,
        "units_needed": None if needed_blocks is None or lag_blocks is None else max(needed_blocks, lag_blocks),
        "note": _lag_note(lag, lag_blocks, len(blocks)),
    }


def _lag_note(lag: Lag | None, needed: int | None, present: int) -> str:
    if lag is None:
        return "not estimable: the blocks do not differ in their lag"
    if needed is None:
        return f"to call a lag of {np.expm1(lag.mean):+.0%} small, over {_COUNTS[-1]} blocks like these would be needed"
    if needed > present:
        return f"more seeds alone do not settle it: to call the lag small, {needed} blocks are needed"
    return "association within blocks; the blocks at hand suffice to call the lag small"


def _seeds_per_cell(times: Times) -> int:
    """Median number of pairs in a cell."""
    counts = np.unique(times.cell, return_counts=True)[1]
    return int(np.median(counts)) if len(counts) else 0


def _correlation_within(times: Times) -> float:
    x, y = (coincidence.centred(values, times.cell, times.weight) for values in (times.sharpening, times.parting))
    w = times.weight
    norms = float(np.sqrt((w @ x**2) * (w @ y**2)))
    return float((w * x) @ y) / norms if norms > 0 else 0.0


def association_power(rho: float, n_seeds: int, n_blocks: int, alpha: float, rng: np.random.Generator) -> float:
    """Of exchanging seeds within blocks, by experiments; each p-value by the normal approximation of its exchanges.

    Under exchange the sum over blocks of S_xy has mean 0 and variance sum S_xx S_yy / (n - 1).
    """
    n_draws = min(_DRAWS, max(100, _BLOCKS_DRAWN // n_blocks))
    first, own = rng.normal(size=(2, n_draws, n_blocks, n_seeds))
    second = rho * first + np.sqrt(1 - rho**2) * own
    x, y = (values - values.mean(axis=-1, keepdims=True) for values in (first, second))
    variance = ((x**2).sum(axis=-1) * (y**2).sum(axis=-1)).sum(axis=-1) / (n_seeds - 1)
    z = (x * y).sum(axis=(-2, -1)) / np.sqrt(variance)
    return float((z > stats.norm.ppf(1 - alpha)).mean())


def _blocks_for_equivalence(lag: Lag, present: int, estimate: Estimate, target: float) -> int | None:
    """Blocks for the two one-sided tests at the observed lag, if they are dated as well as those present."""
    sd = max(lag.error * present**0.5, 1e-3)
    tolerance = estimate.lag_tolerance
    room = np.log1p(tolerance) - lag.mean, lag.mean - np.log1p(-tolerance)

    def enough(k: int) -> bool:
        critical = stats.t.ppf(1 - estimate.alpha, k - 1)
        return bool(sum(stats.nct.sf(critical, k - 1, each / sd * k**0.5) for each in room) - 1 >= target)

    return _first(enough)


def deferral_power(runs: pl.DataFrame, sharpenings: pl.DataFrame, estimate: Estimate, target: float) -> dict[str, Any]:
    """C5. Effect: the factor by which SGDM's events come later, of the momentum that is least sure.

    Null experiments are the observed pairs, resampled within cells, with members swapped at random; then SGDM's events
    are put off by the factor and lost where that passes the end of its follow-up. Seeds needed: the observed pairs,
    resampled as they are.
    """
    pairs = timed_pairs(runs, sharpenings)
    rng = generator_for("power", estimate.seed)
    parts = [part for _, part in pairs.group_by("optimizer", "momentum", maintain_order=True) if _has_events(part)]
    if not parts:
        return {"replicate": "cells with an event", "note": f"not estimable: no run sharpens abruptly ({ALL} strata)"}
    tests = [swap_test(paired_times(part), _PERMUTATIONS, rng) for part in parts]
    least = int(np.argmax([1.0 if test.p_value is None else test.p_value for test in tests]))
    part, test = parts[least], tests[least]
    times, followup = paired_times(part), part.select("followup_0", "followup_1").to_numpy()
    eventful = np.isin(times.cell, times.cell[times.event.any(axis=1)])
    times, followup = times.where(eventful), followup[eventful]
    cells = [np.flatnonzero(times.cell == cell) for cell in np.unique(times.cell)]
    seeds = int(np.median([len(cell) for cell in cells]))

    def drawn_cells(count: int) -> list[NDArray[np.intp]]:
        return [cells[k] for k in rng.integers(len(cells), size=count)]

    critical = float(stats.norm.ppf(1 - estimate.alpha / 2))

    def power(cells: list[NDArray[np.intp]], n_seeds: int, factor: float | None) -> float:
        return _rejections(times, followup, cells, n_seeds, factor, critical, rng)

    effect = _bisect(lambda factor: power(cells, seeds, factor), 1.0, _MAX_FACTOR, target)
    needed = needed_cells = None
    if test.score > 0:
        needed = _first(lambda n: power(cells, n, None) >= target)
        needed_cells = _first(lambda k: power(drawn_cells(k), seeds, None) >= target)
    ratio = _ratio_of_both(times)
    return {
        "n_seeds": seeds,
        "n_units": len(cells),
        "replicate": "cells with an event",
        "effect_80": effect,
        "unit": f"times later, {part['optimizer'][0]}, mu = {part['momentum'][0]:g}",
        "observed": ratio,
        "seeds_needed": needed,
        "units_needed": needed_cells,
        "note": "observed: pairs in which both sharpen; seeds needed count prevention too"
        + ("" if test.score > 0 else "; events are not fewer or later under momentum, so no number of seeds is given"),
    }


def _has_events(pairs: pl.DataFrame) -> bool:
    return bool(pairs.select((pl.col("event_0") | pl.col("event_1")).any()).item())


def _ratio_of_both(times: PairedTimes) -> float | None:
    both = times.event.all(axis=1)
    if not both.any():
        return None
    logs = np.log(np.maximum(times.time[both], 1.0))
    return float(np.exp((logs[:, 1] - logs[:, 0]).mean()))


def _rejections(
    times: PairedTimes,
    followup: NDArray[np.float64],
    cells: list[NDArray[np.intp]],
    n_seeds: int,
    factor: float | None,
    critical: float,
    rng: np.random.Generator,
) -> float:
    """Share of resampled experiments in which the swap test (its normal approximation) finds SGDM later."""
    found = 0
    for _ in range(_EXPERIMENTS):
        index = _resampled(cells, n_seeds, rng)
        drawn = replace(times.where(index), cell=np.repeat(np.arange(len(cells)), n_seeds))
        if factor is not None:
            drawn = _put_off(drawn, followup[index], factor, rng)
        differences = score_differences(drawn)
        norm = float(np.sqrt((differences**2).sum()))
        found += norm > 0 and differences.sum() / norm > critical
    return found / _EXPERIMENTS


def _resampled(cells: list[NDArray[np.intp]], n_seeds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`n_seeds` members of each cell, drawn with replacement, (n_cells * n_seeds,)."""
    sizes = np.array([len(cell) for cell in cells])
    places = np.cumsum(sizes) - sizes
    drawn = places[:, None] + (rng.random((len(cells), n_seeds)) * sizes[:, None]).astype(np.intp)
    index: NDArray[np.intp] = np.concatenate(cells)[drawn.ravel()]
    return index


def _put_off(times: PairedTimes, followup: NDArray[np.float64], factor: float, rng: np.random.Generator) -> PairedTimes:
    order = np.where(rng.random(len(followup))[:, None] < 0.5, [0, 1], [1, 0])
    time, end = (np.take_along_axis(values, order, axis=1) for values in (times.time, followup))
    event, diverged = (np.take_along_axis(values, order, axis=1) for values in (times.event, times.diverged))
    later = np.where(event[:, 1], factor * time[:, 1], time[:, 1])
    lost = event[:, 1] & (later > end[:, 1])
    time = np.column_stack([time[:, 0], np.where(lost, end[:, 1], later)])
    return PairedTimes(time, np.column_stack([event[:, 0], event[:, 1] & ~lost]), diverged, times.cell)


def _first(enough: Callable[[int], bool]) -> int | None:
    """The smallest of a list of counts that is enough, found by halving; None if the largest is not."""
    low, high = 0, len(_COUNTS) - 1
    if not enough(_COUNTS[high]):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(_COUNTS[middle]) else (middle + 1, high)
    return _COUNTS[low]


def _bisect(power: Callable[[float], float], low: float, high: float, target: float) -> float | None:
    """The effect at which a rising power passes the target, None if it never does."""
    if power(high) < target:
        return None
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5 if low > 0 else (low + high) / 2
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return float(high)
