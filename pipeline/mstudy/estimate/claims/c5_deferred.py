"""C5: whether momentum prevents or defers abrupt sharpening."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from mstudy.core.generators import generator_for
from mstudy.core.params import Estimate
from mstudy.estimate.claims.claim import Answer, Claim, Power, method_name, untestable, verdict_of
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import TARGET_POWER, bisect_power, first_count
from mstudy.estimate.claims.small_studies.events import runs_sharpened, unmeasured
from mstudy.estimate.event_times.deferral import paired_times, rows_to_test, timed_pairs
from mstudy.estimate.event_times.swap_test import PairedTimes, score_differences, swap_test
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import DEFERRAL, RUNS, SHARPENINGS
from mstudy.tables.table import ALL

_EXPERIMENTS = 150
_PERMUTATIONS = 199
_MAX_FACTOR = 10.0
_Cells = list[NDArray[np.intp]]


def judge_deferred(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C5 by the paired swap test of every optimizer and momentum (Holm); all that can be tested must agree.

    Testable: so many pairs differ that the smallest possible p-value, 2^(1 - n), is at most alpha.
    """
    rows = evidence[DEFERRAL].filter(pl.col("stratum") == ALL)
    testable = rows_to_test(rows, estimate.alpha)
    if testable.is_empty():
        most = max(rows["n_informative"].to_list(), default=0)
        why = (
            f"at most {most} pairs differ in what happened to their runs, too few for any p-value of {estimate.alpha:g}"
        )
        return untestable(unmeasured(evidence) or why, most, "pairs that differ", runs_sharpened(evidence))
    adjusted = holm(testable["p_value"].to_list())
    tests = list(zip(testable.iter_rows(named=True), adjusted, strict=True))
    all_later = all(row["score"] > 0 and p <= estimate.alpha for row, p in tests)
    any_sooner = any(row["score"] < 0 and p <= estimate.alpha for row, p in tests)
    n_left_out = len(rows) - len(testable)
    left_out = f"; {n_left_out} of {len(rows)} momenta have too few pairs that differ" if n_left_out else ""
    top = testable.row(-1, named=True)
    return Answer(
        verdict_of(all_later, any_sooner),
        "; ".join(_counts(row, p, len(tests)) for row, p in tests) + f"{left_out}.",
        n=int(top["n_sgd"]),
        n_unit="pairs per momentum",
        estimate=top["hazard_ratio"],
        ci=None if top["ci_low"] is None else (top["ci_low"], top["ci_high"]),
        unit=f"hazard ratio SGDM / SGD of {method_name(top)}",
        p_value=max(adjusted),
        rows=tuple(f"{ALL}, {method_name(row)}" for row, _ in tests),
    )


def _counts(row: dict[str, Any], p_value: float, n_tests: int) -> str:
    both = f", in {row['n_both']} both" if row["n_both"] else ""
    holm_over = f" after Holm over {n_tests}" if n_tests > 1 else ""
    return (
        f"{method_name(row)}: {row['events_sgd']} of {row['n_sgd']} SGD runs and {row['events_sgdm']} of "
        f"{row['n_sgdm']} SGDM runs sharpen abruptly{_beyond(row)} (within the time that both were followed, in "
        f"{row['only_sgd']} pairs SGD alone, in {row['only_sgdm']} SGDM alone{both}; paired swap test p = "
        f"{p_value:.3g}{holm_over})"
    )


def _beyond(row: dict[str, Any]) -> str:
    """Tell events of SGDM where SGD had diverged from those where it could still have sharpened."""
    if not row["events_sgdm_alone"]:
        return ""
    return f", {row['events_sgdm_alone']} of these where SGD had diverged and could not"


def deferral_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Simulate the power of the swap test for the momentum that is least sure.

    The effect is the factor by which SGDM's events come later. Null experiments are the observed pairs, resampled
    within cells, with members swapped at random; then SGDM's events are delayed by the factor, and lost where that
    passes the end of its follow-up. For the seeds needed, the observed pairs are resampled as they are.
    """
    pairs = timed_pairs(evidence[RUNS], evidence[SHARPENINGS])
    rng = generator_for("power", estimate.seed)
    parts = [part for _, part in pairs.group_by("optimizer", "momentum", maintain_order=True) if _has_events(part)]
    if not parts:
        note = f"not estimable: no run sharpens abruptly ({ALL} strata)"
        return Power(note, replicate="cells with an event")
    tests = [swap_test(paired_times(part), _PERMUTATIONS, rng) for part in parts]
    least_sure = int(np.argmax([1.0 if test.p_value is None else test.p_value for test in tests]))
    part, later = parts[least_sure], tests[least_sure].score > 0
    observed = _Observed.of(part, estimate)
    cells, n_seeds = observed.cells, observed.n_seeds
    effect = bisect_power(lambda factor: observed.power(cells, n_seeds, factor, rng), 1.0, _MAX_FACTOR)
    needed_seeds = needed_cells = None
    if later:
        needed_seeds = first_count(lambda n: observed.power(cells, n, None, rng) >= TARGET_POWER)
        needed_cells = first_count(
            lambda k: observed.power(observed.draw_cells(k, rng), n_seeds, None, rng) >= TARGET_POWER
        )
    return Power(
        n_seeds=n_seeds,
        n_units=len(cells),
        replicate="cells with an event",
        effect_80=effect,
        unit=f"times later, {part['optimizer'][0]}, mu = {part['momentum'][0]:g}",
        observed=_time_ratio(observed.times),
        seeds_needed=needed_seeds,
        units_needed=needed_cells,
        note="observed: pairs in which both sharpen; seeds needed count prevention too"
        + ("" if later else "; events are not fewer or later under momentum, so no number of seeds is given"),
    )


def _has_events(pairs: pl.DataFrame) -> bool:
    return bool(pairs.select((pl.col("event_0") | pl.col("event_1")).any()).item())


def _time_ratio(times: PairedTimes) -> float | None:
    """Return how many times later SGDM sharpens, over the pairs in which both do."""
    both = times.event.all(axis=1)
    if not both.any():
        return None
    logs = np.log(np.maximum(times.time[both], 1.0))
    return float(np.exp((logs[:, 1] - logs[:, 0]).mean()))


@dataclass(frozen=True)
class _Observed:
    """The pairs of one momentum in cells with an event, to resample. followup: (n_pairs, 2); cells: indices of pairs.

    critical: the quantile of the two-sided test.
    """

    times: PairedTimes
    followup: NDArray[np.float64]
    cells: _Cells
    critical: float

    @classmethod
    def of(cls, pairs: pl.DataFrame, estimate: Estimate) -> _Observed:
        """Take the pairs of `timed_pairs`, of one momentum."""
        times, followup = paired_times(pairs), pairs.select("followup_0", "followup_1").to_numpy()
        eventful = np.isin(times.cell, times.cell[times.event.any(axis=1)])
        times, followup = times.where(eventful), followup[eventful]
        cells = [np.flatnonzero(times.cell == cell) for cell in np.unique(times.cell)]
        return cls(times, followup, cells, float(stats.norm.ppf(1 - estimate.alpha / 2)))

    @property
    def n_seeds(self) -> int:
        """The median number of pairs in a cell."""
        return int(np.median([len(cell) for cell in self.cells]))

    def draw_cells(self, count: int, rng: np.random.Generator) -> _Cells:
        """Draw cells with replacement."""
        return [self.cells[k] for k in rng.integers(len(self.cells), size=count)]

    def power(self, cells: _Cells, n_seeds: int, factor: float | None, rng: np.random.Generator) -> float:
        """Return the share of resampled experiments in which the swap test finds SGDM later.

        Each p-value is the test's normal approximation. factor: None resamples the pairs as they are.
        """
        n_rejected = 0
        for _ in range(_EXPERIMENTS):
            index = _resample(cells, n_seeds, rng)
            drawn = replace(self.times.where(index), cell=np.repeat(np.arange(len(cells)), n_seeds))
            if factor is not None:
                drawn = _delayed(drawn, self.followup[index], factor, rng)
            differences = score_differences(drawn)
            norm = float(np.sqrt((differences**2).sum()))
            n_rejected += bool(norm > 0 and differences.sum() / norm > self.critical)
        return n_rejected / _EXPERIMENTS


def _resample(cells: _Cells, n_seeds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw `n_seeds` pairs of each cell with replacement, (n_cells * n_seeds,)."""
    sizes = np.array([len(cell) for cell in cells])
    places = np.cumsum(sizes) - sizes
    drawn = places[:, None] + (rng.random((len(cells), n_seeds)) * sizes[:, None]).astype(np.intp)
    index: NDArray[np.intp] = np.concatenate(cells)[drawn.ravel()]
    return index


def _delayed(times: PairedTimes, followup: NDArray[np.float64], factor: float, rng: np.random.Generator) -> PairedTimes:
    """Swap the members of pairs at random, then delay the events of the second by the factor."""
    order = np.where(rng.random(len(followup))[:, None] < 0.5, [0, 1], [1, 0])
    time, end = (np.take_along_axis(values, order, axis=1) for values in (times.time, followup))
    event, diverged = (np.take_along_axis(values, order, axis=1) for values in (times.event, times.diverged))
    later = np.where(event[:, 1], factor * time[:, 1], time[:, 1])
    lost = event[:, 1] & (later > end[:, 1])
    time = np.column_stack([time[:, 0], np.where(lost, end[:, 1], later)])
    return PairedTimes(time, np.column_stack([event[:, 0], event[:, 1] & ~lost]), diverged, times.cell)


CLAIM = Claim(
    id="C5",
    statement="Momentum prevents or defers abrupt sharpening.",
    table=DEFERRAL,
    judge=judge_deferred,
    power=deferral_power,
)
