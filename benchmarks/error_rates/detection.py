"""Abrupt sharpening on series with known truth: ours beside what a user would reach for.

python -m benchmarks.error_rates.detection [--series 400] [--write]: Markdown to stdout, or to benchmarks/detection.md.
Needs the extra `bench`. Truth and suites: benchmarks/error_rates/planted.py. The seeds are not those that the detector
was developed on.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import changeforest
import fastcpd
import numpy as np
import polars as pl
import ruptures
from mstudy.core.params import Detect
from mstudy.core.series import Series
from mstudy.detect.all_runs import Detected, detect_sharpenings
from mstudy.detect.points import usable_points
from mstudy.detect.sharpening import Sharpening, find_sharpening
from mstudy.workers.ordered import Workers
from mstudy.workers.surroundings import available_cores
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.error_rates import marks
from benchmarks.error_rates.planted import (
    BURSTS_AFTER,
    DENSE_STRETCH,
    DEVELOPMENT,
    FLAT,
    REPORTING,
    SUITES,
    Family,
    Planted,
    build,
    draw,
)
from benchmarks.error_rates.strata import Judged, strata_table

SEED = 93_000
FACTOR = 2.0  # the smallest that is planted
DETECT = Detect(jump_factor=FACTOR)
# A run none of whose rises reaches the factor has no p-value: at this one nearly every null series has.
TESTED = Detect(jump_factor=1.05)
PELT_POINTS = 600  # Pelt takes minutes beyond
TIMED = (200, 500, 1000, 5000, 20000)
RUNS, CHUNK = 1000, 50
SLOW = "300 points, σ 1, φ 0.95"

# First event (middle, low, high) as indices of logged points, or None.
Finding = tuple[float, float, float] | None
Changes = Callable[[Series], list[int]]


def ours(series: Planted, seed: int) -> Finding:
    """mstudy.events, with its interval."""
    found = _found(series, seed, DETECT)
    if not found.events:
        return None
    first, index = found.events[0], np.arange(len(series.steps))
    middle, low, high = np.interp([first.step, first.step_low, first.step_high], series.steps, index)
    return float(middle), float(low), float(high)


def judged(planted: list[Planted]) -> list[Judged]:
    """What is said of each planted event, for the table by strata."""
    verdicts = []
    for series, finding in zip(planted, map(ours, planted, range(len(planted))), strict=True):
        assert series.midpoint is not None
        at, low, high = finding or (math.inf,) * 3
        near = abs(at - series.midpoint) <= tolerance(series)
        covered = low <= series.midpoint <= high
        verdicts.append(
            Judged(series.family, finding is not None, finding is not None and not near, covered, high - low)
        )
    return verdicts


def p_of(series: Planted, seed: int) -> float | None:
    """The p-value of a run; None where even so small a factor leaves nothing to test."""
    return _found(series, seed, TESTED).p_value


def certain(p: list[float | None]) -> NDArray[np.float64]:
    """What is not tested is not rejected."""
    return np.array([1.0 if value is None else value for value in p])


def _found(series: Planted, seed: int, detect: Detect) -> Sharpening:
    return find_sharpening(series.steps, series.curvature, series.loss, detect, np.random.default_rng(seed))


def bic(y: Series) -> float:
    """2 sigma^2 ln n, sigma from the differences of neighbours."""
    sigma = 1.4826 * float(np.median(np.abs(np.diff(y) - np.median(np.diff(y))))) / 2**0.5
    return max(2 * sigma**2 * math.log(len(y)), 1e-9)


def kernel_cpd(y: Series) -> list[int]:
    """ruptures.KernelCPD, linear kernel, BIC."""
    return list(ruptures.KernelCPD(kernel="linear", min_size=2).fit(y[:, None]).predict(pen=bic(y)))[:-1]


def pelt(y: Series) -> list[int]:
    """ruptures.Pelt, l2, jump 1, BIC."""
    return list(ruptures.Pelt(model="l2", jump=1, min_size=2).fit(y[:, None]).predict(pen=bic(y)))[:-1]


def fastcpd_mean(y: Series) -> list[int]:
    """fastcpd, change in mean, its own defaults (MBIC)."""
    return [int(change) for change in np.ravel(fastcpd.detect_mean(y[:, None]).cp_set)]


def change_forest(y: Series) -> list[int]:
    """changeforest, change in mean, binary segmentation, its own defaults."""
    return list(changeforest.changeforest(y[:, None], "change_in_mean", "bs").split_points())


COMPARATORS: dict[str, Changes] = {
    "ruptures `KernelCPD` linear, BIC": kernel_cpd,
    "ruptures `Pelt` l2, jump 1, BIC": pelt,
    "fastcpd mean, MBIC": fastcpd_mean,
    "changeforest mean": change_forest,
}


def first_rise(series: Planted, changes: Changes, factor: float) -> Finding:
    """The first change to a segment whose mean is higher by the factor, of log curvature without unusable points."""
    points = usable_points(series.steps, series.curvature, series.loss)
    y = points.log_curvature
    borders = [0, *changes(y), len(y)]
    means = [float(y[a:b].mean()) for a, b in pairwise(borders)]
    for k, border in enumerate(borders[1:-1]):
        if means[k + 1] - means[k] > math.log(factor):
            step = (points.steps[border - 1] + points.steps[border]) / 2
            at = float(np.interp(step, series.steps, np.arange(len(series.steps))))
            return at, at, at
    return None


def tolerance(series: Planted) -> float:
    """Points by which a time may be wrong and still be in its place."""
    return max(5.0, 0.01 * len(series.steps))


def row(
    name: str,
    find: Callable[[Planted, int], Finding],
    planted: list[Planted],
    nulls: list[Planted],
    p: NDArray[np.float64] | None = None,
) -> str:
    """One line of a suite's table. p: of the nulls; None for a method that has neither p-value nor interval."""
    started = time.process_time()
    findings = [find(series, k) for k, series in enumerate(planted)]
    alarms = [find(series, k) for k, series in enumerate(nulls)]
    spent = (time.process_time() - started) / (len(planted) + len(nulls))
    errors = np.array(
        [math.inf if f is None else abs(f[0] - s.midpoint) for f, s in zip(findings, planted, strict=True)]
    )
    found = np.array([f is not None for f in findings])
    hit = errors <= [tolerance(series) for series in planted]
    inside = np.array([f is not None and f[1] <= s.midpoint <= f[2] for f, s in zip(findings, planted, strict=True)])
    own = ["–", "–"]
    if p is not None:
        own = [
            f"{inside[hit].mean():.1%}",
            f"{(p <= 0.05).mean():.1%} / {(p <= 0.01).mean():.1%}",
        ]
    cells = [
        f"{hit.mean():.1%}",
        f"{(found & ~hit).mean():.1%}",
        f"{np.mean([f is not None for f in alarms]):.1%}",
        f"{np.median(errors[hit]):.1f} / {np.quantile(errors[hit], 0.95):.1f}" if hit.any() else "–",
        *own,
        f"{spent * 1e3:.1f}",
    ]
    return f"| {name} | " + " | ".join(cells) + " |"


def series_of(name: str, n_series: int, event: bool = True) -> list[Planted]:
    """The reported series of a suite."""
    key = sorted(SUITES).index(name)
    return [draw(SUITES[name], np.random.default_rng([SEED, key, k, int(event)]), event) for k in range(n_series)]


def suite_table(name: str, n_series: int) -> list[str]:
    """All methods on one suite."""
    suite = SUITES[name]
    planted, nulls = series_of(name, n_series), series_of(name, n_series, event=False)
    fewest, most = suite.n or REPORTING.points
    lines = [
        f"**{name}**: factor {suite.factor[0]}–{suite.factor[1]}, σ {suite.sigma[0]}–{suite.sigma[1]}, "
        f"n {fewest:,}–{most:,}, spikes in {suite.spikes:.0%}",
        "",
        "| method | found | wrong place | false alarms | error, points: median / 95 % | coverage "
        "| null p ≤ 5 % / 1 % | CPU ms |",
        "|---|---|---|---|---|---|---|---|",
        row("**mstudy**", ours, planted, nulls, certain([p_of(series, k) for k, series in enumerate(nulls)])),
    ]
    for label, changes in COMPARATORS.items():
        few = [
            [s for s in part if len(s.steps) <= PELT_POINTS] if changes is pelt else part for part in (planted, nulls)
        ]
        if not few[0]:
            continue
        note = f" ({len(few[0])} series of at most {PELT_POINTS} points)" if changes is pelt else ""
        for what, factor in ((", any rise", 1.0), (f", rises by {FACTOR:g}", FACTOR)):
            if changes is pelt and factor == 1.0:
                continue
            lines.append(
                row(label + what + note, lambda s, _, c=changes, f=factor: first_rise(s, c, f), few[0], few[1])
            )
    return [*lines, ""]


def time_table() -> list[str]:
    """CPU time of one series, best of five."""
    lines = ["| points | no event, CPU ms | one event, CPU ms | bursts, CPU ms |", "|---|---|---|---|"]
    for n in TIMED:
        cells = []
        for factor, after in ((1.0, FLAT), (10.0, FLAT), (10.0, BURSTS_AFTER)):
            series = build(Family(n=n, factor=factor, after=after), np.random.default_rng([SEED, n]))
            cells.append(f"{1e3 * min(_seconds(series) for _ in range(5)):.0f}")
        lines.append(f"| {n} | " + " | ".join(cells) + " |")
    burst = build(Family(n=1000, cadence=DENSE_STRETCH), np.random.default_rng(SEED))
    return [*lines, f"| {len(burst.steps)}, of which 80 at every step | | {1e3 * _seconds(burst):.0f} | |", ""]


def _seconds(series: Planted) -> float:
    started = time.process_time()
    ours(series, 0)
    return time.process_time() - started


def calibration_table(n_series: int) -> list[str]:
    """Rejections under the null, more series than in the suites' tables; and in noise too slow to be told from 300."""
    lines = [
        "| null series | n | tested | p ≤ 5 % | p ≤ 1 % | p ≤ 50 % | called an event, α 5 % |",
        "|---|---|---|---|---|---|---|",
    ]
    slow = Family(n=300, factor=1.0, sigma=1.0, phi=0.95)
    for name in (*SUITES, SLOW):
        alarms, found = [], []
        for k in range(n_series):
            rng = np.random.default_rng([SEED + 1, len(name), k])
            series = build(slow, rng) if name == SLOW else draw(SUITES[name], rng, event=False)
            alarms.append(ours(series, k) is not None)
            found.append(p_of(series, k))
        p = certain(found)
        cells = [f"{np.mean([value is not None for value in found]):.1%}"]
        cells += [_rate(hits) for hits in (p <= 0.05, p <= 0.01, p <= 0.5, np.array(alarms))]
        lines.append(f"| {name} | {n_series} | {' | '.join(cells)} |")
    return [*lines, ""]


def _rate(hits: NDArray[np.bool_]) -> str:
    """Share, with its binomial standard error."""
    share = float(hits.mean())
    return f"{share:.1%} ± {(share * (1 - share) / len(hits)) ** 0.5:.1%}"


def study_time() -> list[str]:
    """Seconds (wall clock) of a study's detection, tables in and out, on one and on all cores."""
    parts = [_part(range(start, start + CHUNK)) for start in range(0, RUNS, CHUNK)]
    lines = ["| worker processes | seconds | of them CPU of this process |", "|---|---|---|"]
    for count in sorted({1, available_cores()}):
        started, spent = time.perf_counter(), time.process_time()
        with Workers(count) as workers:
            list(workers.map(_detect, parts, "detection"))
        # The processes of a pool are others than this one.
        cpu = f"{time.process_time() - spent:.1f}" if count == 1 else "–"
        lines.append(f"| {count} | {time.perf_counter() - started:.1f} | {cpu} |")
    return [*lines, ""]


def _part(members: range) -> tuple[pl.DataFrame, pl.DataFrame]:
    logs, runs = [], []
    for k in members:
        family = Family(n=500, factor=10.0 if k % 4 == 0 else 1.0, phi=(0.0, 0.5, 0.8, 0.95)[k % 4])
        series = build(family, np.random.default_rng([SEED, k]))
        runs.append({"run_id": f"{k}", "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0} | {"branch_of": None})
        columns = {"step": series.steps, "loss": series.loss, DETECT.quantity: series.curvature}
        logs.append(pl.DataFrame({"run_id": [f"{k}"] * len(series.steps), **columns}))
    return pl.DataFrame(runs), pl.concat(logs)


def _detect(part: tuple[pl.DataFrame, pl.DataFrame]) -> Detected:
    return detect_sharpenings(*part, DETECT)


def report(n_series: int) -> str:
    """The section, in Markdown."""
    lines = [
        "## Abrupt sharpening in series with known truth (`benchmarks/error_rates/detection.py`)",
        "",
        f"{n_series} series with an event and {n_series} without in each suite; generator and definition of an event: "
        "`benchmarks/error_rates/planted.py`. Seeds and ranges other than those of development.",
        f"Found: the first event within max(5 points, 1 %) of the planted midpoint. mstudy: jump factor {FACTOR:g}, "
        f"α {DETECT.alpha:g}; the others get log curvature without unusable values or exploding tail; "
        "their first change upwards counts, or, to be fair, their first whose means differ by that factor. "
        "`Pelt` finds what `KernelCPD` finds (the same optimum) and is run on short series alone.",
        "A run none of whose rises reaches the factor has no p-value: those of null series are taken at factor "
        f"{TESTED.jump_factor:g}, where nearly every one has; without one a series counts as p = 1.",
        "",
    ]
    for name in SUITES:
        lines += suite_table(name, n_series)
    lines += [
        "All suites together, by stratum. Coverage and width: of 95 % intervals where the event was found in place. "
        f"A star: no series of development belongs to it. Development has rises of at most {DEVELOPMENT.longest:g} "
        f"points, {DEVELOPMENT.points[0]:,} to {DEVELOPMENT.points[1]:,} logged points, and seeds of its own.",
        "",
        *strata_table([one for name in SUITES for one in judged(series_of(name, n_series))]),
        f"Calibration of the p-value at factor {TESTED.jump_factor:g}, and events at {FACTOR:g}, ± one standard error:",
        "",
        *calibration_table(3 * n_series),
    ]
    lines += ["Agreement with the marks in pictures of real runs (`tests/reference/`):", "", *marks.table()]
    lines += ["Time with interval, and with p-value where a rise reaches the factor, one core:", "", *time_table()]
    lines += [f"{RUNS} runs of 500 points, a quarter with an event:", "", *study_time()]
    return "\n".join(lines)


def main() -> None:
    """Print or write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--series", type=int, default=400)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    with threadpool_limits(1):  # as a worker of the analysis has
        text = report(options.series)
    if options.write:
        (Path(__file__).parents[1] / "detection.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
