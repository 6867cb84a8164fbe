"""Inference about event times on experiments with known truth: size, power, coverage, verdicts.

python -m benchmarks.error_rates.inference_events [--experiments 1000] [--cells 400] [--whole 400] [--write]: Markdown
to stdout, or to benchmarks/inference_events.md. Truth: benchmarks/error_rates/experiments.py. `--cells`: of planted
gaps. `--whole`: experiments from logs, in which both events have yet to be found. The sections are measured side by
side.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from mstudy.compare.all_pairs import find_all_partings
from mstudy.compare.cell_parting import find_partings
from mstudy.core.params import Compare, Detect, Estimate, Margins
from mstudy.core.statuses import PartingStatus
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.estimate.claims.c4_same_moment import judge_same_moment
from mstudy.estimate.claims.c5_deferred import judge_deferred
from mstudy.estimate.claims.c8_intervention import judge_intervention
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.estimate.event_times.deferral import measure_deferral

from benchmarks.error_rates.evidence import REPLICATED, evidence_of
from benchmarks.error_rates.experiments import (
    COMMON,
    CONSTANT_LAG,
    NEVER,
    OPENING,
    SHARED_CAUSE,
    TRANSIENT,
    CellTruth,
    Coincidence,
    Deferral,
    Intervened,
    draw_cell,
    draw_coincidence_runs,
    draw_interventions,
    draw_survival,
    draw_times,
)

SEED = 77_000
ESTIMATE = Estimate(resamples=499)
VERDICTS = REPLICATED
COUNTED = (PartingStatus.PARTED, PartingStatus.TRANSIENT)
REFUSED = ("pooled_spearman", "pooled_permutation", "partial_spearman", "run_level_equivalence")
SEEDS = (3, 5, 10)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def share(values: Sequence[bool]) -> str:
    """As a percentage; a dash of nothing."""
    return f"{np.mean(values):.1%}" if len(values) else "–"


@dataclass
class Found:
    """What was found of some cells. statuses: theirs; the rest of cells that part: of their pairs, and of theirs."""

    statuses: list[str] = field(default_factory=list)
    pair_covers: list[bool] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    cell_covers: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def cells(self) -> list[str]:
        """Of the table."""
        middle = [f"{np.median(self.errors):.0%}", f"×{np.median(self.widths):.2f}"] if self.errors else ["–", "–"]
        counts = [share([s == name for s in self.statuses]) for name in COUNTED]
        return [*counts, share(self.pair_covers), share(self.cell_covers), *middle]


def partings(n: int) -> str:
    """Cells of planted gaps: found, and covered."""
    found = {(shape, k): _parting(shape, k, n) for shape in (*OPENING, TRANSIENT, NEVER) for k in (3, 5)}
    rows = [[shape, str(k), *cells.cells()] for (shape, k), cells in found.items()]
    for k in (3, 5):
        together = Found()
        for shape in OPENING:
            for name, values in vars(found[shape, k]).items():
                getattr(together, name).extend(values)
        rows.append(["all that open", str(k), *together.cells()])
    head = ["gap", "seeds", *COUNTED, "pair interval covers", "cell interval covers", "error of a pair"]
    return table([*head, "width of a cell's"], rows)


def draw_truth(shape: str, n_seeds: int, rng: np.random.Generator) -> CellTruth:
    """A cell of the suite: steps 80 to 700, final gap 0.15 to 0.6, noise 0.005 to 0.03, autocorrelation to 0.8.

    Spread of the seeds' onsets 0.05 to 0.3.
    """
    return CellTruth(
        shape=shape,
        typical=float(np.exp(rng.uniform(math.log(80), math.log(700)))),
        height=float(rng.choice([0.15, 0.3, 0.6])),
        sigma=float(rng.choice([0.005, 0.01, 0.03])),
        phi=float(rng.choice([0.0, 0.5, 0.8])),
        n_seeds=n_seeds,
        momentum=float(rng.choice([0.5, 0.9])),
        spread=float(rng.choice([0.05, 0.15, 0.3])),
    )


def _parting(shape: str, n_seeds: int, n: int) -> Found:
    cells = Found()
    for k in range(n):
        rng = np.random.default_rng([SEED, k])
        truth = draw_truth(shape, n_seeds, rng)
        pairs, onsets = draw_cell(truth, rng)
        found = find_partings(pairs, truth.momentum, Compare())
        cells.statuses.append(found.status)
        if found.status == PartingStatus.PARTED and found.step_low and found.step_high:
            for pair, onset in zip(found.pairs, onsets, strict=True):
                cells.pair_covers.append((pair.step_low or 0) <= onset <= (pair.step_high or 0))
                cells.errors.append(abs(math.log(max(pair.step or 1.0, 1.0) / onset)))
            cells.cell_covers.append(found.step_low <= truth.typical <= found.step_high)
            cells.widths.append(found.step_high / found.step_low)
    return cells


def coincidence_designs() -> list[tuple[str, Coincidence]]:
    """Truths of C4 and their names."""
    designs = [
        (name, Coincidence(link=link, n_seeds=seeds))
        for name, link in (("one event", COMMON), ("shared cause", SHARED_CAUSE), ("lag of 30 %", CONSTANT_LAG))
        for seeds in SEEDS
    ]
    return [
        *designs,
        ("one event, two momenta", Coincidence(momenta=(0.5, 0.9))),
        ("shared cause, two momenta", Coincidence(link=SHARED_CAUSE, momenta=(0.5, 0.9))),
        ("lag of 10 %, the tolerance", Coincidence(link=CONSTANT_LAG, lag=1.1)),
        ("one event, and one that passes", Coincidence(passing=(1, 1))),
        ("one event, and two that pass", Coincidence(passing=(2, 2))),
        ("one event, none to two that pass", Coincidence(passing=(0, 2))),
        ("one event, none to two that pass, a fifth of these not seen", Coincidence(passing=(0, 2), missed=0.2)),
        ("shared cause, and one that passes", Coincidence(link=SHARED_CAUSE, passing=(1, 1))),
        ("shared cause, and two that pass", Coincidence(link=SHARED_CAUSE, passing=(2, 2))),
        ("shared cause, none to two that pass", Coincidence(link=SHARED_CAUSE, passing=(0, 2))),
        ("lag of 10 %, and two that pass", Coincidence(link=CONSTANT_LAG, lag=1.1, passing=(2, 2))),
        ("lag of 10 %, none to two that pass", Coincidence(link=CONSTANT_LAG, lag=1.1, passing=(0, 2))),
        ("one event, seeds vary as little as the error", Coincidence(spread=0.03)),
        ("shared cause, seeds vary as little as the error", Coincidence(link=SHARED_CAUSE, spread=0.03)),
    ]


def coincidence(n: int) -> str:
    """Verdicts on C4 from times with an error of 3 %, six cells."""
    rows = []
    for name, truth in coincidence_designs():
        n_drawn = n if truth.passing[1] == 0 else max(1, n // 10)
        alignments = [measure_alignment(*draw_times(truth, _rng(k)), ESTIMATE) for k in range(n_drawn)]
        covers = [share(found) for found in _lag_covers(alignments, truth)]
        rows.append([name, str(truth.n_seeds), *_verdicts(alignments), *covers])
    head = ["truth", "seeds", *VERDICTS, "lag interval covers", "in steps"]
    return table(head, rows)


def _verdicts(alignments: list[pl.DataFrame]) -> list[str]:
    found = [judge_same_moment(evidence_of(alignment=alignment), ESTIMATE).verdict for alignment in alignments]
    return [share([v == verdict for v in found]) for verdict in VERDICTS]


def _lag_covers(alignments: list[pl.DataFrame], truth: Coincidence) -> tuple[list[bool], list[bool]]:
    """In log and in steps, of the experiments that have an interval; in steps, the true factor at the typical step."""
    lag = math.log(truth.lag) if truth.link == CONSTANT_LAG else 0.0
    rows = [alignment.row(0, named=True) for alignment in alignments]
    rows = [row for row in rows if row["lag_low"] is not None]
    steps = [math.expm1(lag) * row["lag_steps_mean"] / math.expm1(row["lag_mean"]) for row in rows]
    inside = [row["lag_steps_low"] <= step <= row["lag_steps_high"] for row, step in zip(rows, steps, strict=True)]
    return [row["lag_low"] <= lag <= row["lag_high"] for row in rows], inside


def refused(n: int) -> str:
    """How often tests reject, or call equal, where nothing links the events."""
    rows = []
    truths = [(str(k), Coincidence(link=SHARED_CAUSE, n_seeds=k)) for k in SEEDS]
    truths += [
        (f"5, {name}", Coincidence(link=SHARED_CAUSE, passing=passing))
        for name, passing in (("two events a run", (1, 1)), ("three events a run", (2, 2)), ("one to three", (0, 2)))
    ]
    for seeds, truth in truths:
        p_values = [_p_values(measure_alignment(*draw_times(truth, _rng(k)), ESTIMATE)) for k in range(n)]
        names = ("within_block_permutation", *REFUSED)
        rows.append([seeds, *(share([p[name] <= 0.05 for p in p_values]) for name in names)])
    return table(["seeds", "within blocks (decides)", *(name.replace("_", " ") for name in REFUSED)], rows)


def _p_values(alignment: pl.DataFrame) -> dict[str, float]:
    return {name: 1.0 if p is None else p for name, p in alignment.select("statistic", "p_value").iter_rows()}


def _rng(k: int) -> np.random.Generator:
    return np.random.default_rng([SEED, k])


def whole(n: int) -> str:
    """Verdicts on C4 from logs: both events are found first."""
    rows, together = [], []
    for name, truth in (
        ("one event", Coincidence()),
        ("one event", Coincidence(n_seeds=3)),
        ("shared cause", Coincidence(link=SHARED_CAUSE)),
        ("shared cause", Coincidence(link=SHARED_CAUSE, n_seeds=3)),
        ("lag of 10 %, the tolerance", Coincidence(link=CONSTANT_LAG, lag=1.1)),
        ("lag of 30 %", Coincidence(link=CONSTANT_LAG)),
        ("one event, and one that passes", Coincidence(passing=(1, 1))),
        ("shared cause, and one that passes", Coincidence(link=SHARED_CAUSE, passing=(1, 1))),
    ):
        n_drawn = n if truth.passing[1] == 0 else max(1, n // 2)
        alignments = [_from_logs(truth, _rng(k)) for k in range(n_drawn)]
        pairs = float(np.mean([alignment["n_moments"][0] for alignment in alignments]))
        covers = _lag_covers(alignments, truth)[0]
        together += covers
        rows.append([name, str(truth.n_seeds), f"{pairs:.1f}", *_verdicts(alignments), share(covers)])
    rows.append(["all", *["–"] * (2 + len(VERDICTS)), share(together)])
    return table(["truth", "seeds", "openings with a rise", *VERDICTS, "lag interval covers"], rows)


def _from_logs(truth: Coincidence, rng: np.random.Generator) -> pl.DataFrame:
    logs = draw_coincidence_runs(truth, rng)
    detected = detect_sharpenings(logs.runs, logs.points, Detect())
    found = find_all_partings(logs.runs, logs.points, Margins(), Compare())
    return measure_alignment(found.pairs, detected.sharpenings, found.openings, detected.events, ESTIMATE)


def deferral_designs() -> list[tuple[str, Deferral, float | None]]:
    """Truths of C5, their names, and the true ratio of event times where it is one number."""
    designs: list[tuple[str, Deferral, float | None]] = []
    for seeds in SEEDS:
        designs += [
            ("alike", Deferral(n_seeds=seeds), 1.0),
            ("events × 1.3 later", Deferral(factor=1.3, n_seeds=seeds), 1.3),
        ]
    return [
        *designs,
        ("alike, 3 % of the runs have an event", Deferral(absent=0.97), None),
        ("alike, 10 % of the runs have an event", Deferral(absent=0.9), None),
        ("alike, half of the SGD runs diverge", Deferral(diverging=(0.5, 0.05)), 1.0),
        ("events × 0.77 (sooner)", Deferral(factor=1 / 1.3), 1 / 1.3),
        ("no SGDM run has an event", Deferral(prevented=1.0), None),
        ("60 % of SGDM runs have none", Deferral(prevented=0.6), 1.0),
    ]


def deferrals(n: int) -> str:
    """Verdicts on C5, six cells."""
    rows = []
    for name, truth, factor in deferral_designs():
        tables = [measure_deferral(*draw_survival(truth, _rng(k)), ESTIMATE) for k in range(n)]
        found = [judge_deferred(evidence_of(deferral=deferral), ESTIMATE).verdict for deferral in tables]
        every = [deferral.filter(stratum="all").row(0, named=True) for deferral in tables]
        rows.append(
            [
                name,
                str(truth.n_seeds),
                *(share([v == verdict for v in found]) for verdict in VERDICTS),
                share([_beyond_one(row, "ci_low", "ci_high") for row in every]),
                share([(row["p_prevention"] or 1.0) <= 0.05 for row in every]),
                _covers(every, "restricted_ratio", 1.0) if factor == 1.0 and truth.prevented == 0 else "–",
                "–" if factor is None else _covers(every, "time_ratio", factor),
            ]
        )
    head = ["truth", "seeds", *VERDICTS, "hazard ratio rejects", "prevention rejects", "ratio of means covers"]
    return table([*head, "ratio of times covers"], rows)


def intervention_designs() -> list[tuple[str, Intervened]]:
    """Truths of C8 and their names."""
    margin = Margins().advantage
    designs = []
    for seeds in SEEDS:
        designs += [
            ("the gap goes", Intervened(n_seeds=seeds)),
            ("just the margin is left", Intervened(branches=(margin,), n_seeds=seeds)),
        ]
    return [
        *designs,
        ("branches ahead by just the margin", Intervened(branches=(-margin,))),
        ("the gap stays", Intervened(branches=(0.5,))),
        ("alone the gap is just the margin on average", Intervened(parent=margin)),
        ("alone the gap is just the margin in every block", Intervened(parent=margin, between=0.0)),
        ("it goes by one of two kinds, by the other just the margin is left", Intervened(branches=(0.0, margin))),
        ("it goes; half of the branches sharpen all the same", Intervened(removed=0.5)),
        ("it goes, and as much goes at the control time", Intervened(anyway=0.5)),
        ("it goes, and a fifth more goes at the control time", Intervened(anyway=0.6)),
        ("it goes, and half as much goes at the control time", Intervened(anyway=0.25)),
        ("nothing goes, then or at the control time", Intervened(branches=(0.5,), removed=0.5)),
        ("it goes; no control time", Intervened(anyway=None)),
        ("it goes, by momentum alone", Intervened(by_momentum=True)),
        ("it goes; one block, seeds are the unit", Intervened(n_blocks=1, between=0.0)),
        ("just the margin is left; one block", Intervened(branches=(margin,), n_blocks=1, between=0.0)),
    ]


def interventions(n: int) -> str:
    """Verdicts on C8."""
    rows = []
    for name, truth in intervention_designs():
        tables = [draw_interventions(truth, _rng(k)) for k in range(n)]
        found = [judge_intervention(evidence_of(interventions=branches), ESTIMATE).verdict for branches in tables]
        verdicts = [share([each == verdict for each in found]) for verdict in VERDICTS]
        rows.append([name, str(truth.n_seeds), *verdicts])
    return table(["truth", "seeds", *VERDICTS], rows)


def _beyond_one(row: dict[str, Any], low: str, high: str) -> bool:
    return row[low] is not None and not row[low] <= 1 <= row[high]


def _covers(rows: list[dict[str, Any]], name: str, truth: float) -> str:
    known = [row for row in rows if row[f"{name}_low"] is not None]
    return share([row[f"{name}_low"] <= truth <= row[f"{name}_high"] for row in known])


def page(n: int, n_cells: int, n_whole: int) -> str:
    """All of it."""
    with ProcessPoolExecutor(max_workers=5) as pool:
        sections = (
            (partings, n_cells),
            (coincidence, n),
            (refused, n),
            (whole, n_whole),
            (deferrals, n),
            (interventions, n),
        )
        cells, times, naive, logs, survival, branches = (
            job.result() for job in [pool.submit(*each) for each in sections]
        )
    return f"""# Inference about event times

Written by
`python -m benchmarks.error_rates.inference_events --experiments {n} --cells {n_cells} --whole {n_whole} --write`;
truth in `benchmarks/error_rates/experiments.py`. {n} experiments a row, {n_cells} cells a row of the first table,
{n_whole} experiments where both events are first found in logs.
A share of 5 % has a standard error of {_error(n)}, {_error(n_cells)} and {_error(n_whole)}.

## Parting

One cell a case: planted onset at steps 80 to 700 of 1,600, seeds' onsets spread by 5, 15 or 30 %, final gap 0.15 to
0.6, noise of each log loss 0.005 to 0.03 at one logged point with autocorrelation up to 0.8, μ 0.5 or 0.9 with its lag.

{cells}

## Coincidence (C4)

Six cells whose typical times differ by a factor 6 and 30 % more; seeds spread by 15 % (log), errors of estimate 3 %; a
tenth of the partings are divergences. Where events pass, each comes at a share of 0.25 to 0.5 of its cell's typical
step, with a spread over seeds of its own, and closes or falls back before the last; those rows have a tenth of the
experiments.

{times}

How often each test has p ≤ 0.05 under a shared cause (the same typical step in a cell, independent given the cell):

{naive}

From logs: curvature jumps by a factor 30, gaps of five shapes, both found by the detectors. Where events pass, the
rows have half of the experiments; the passing rise and the passing opening take 5 % of their step, of which the one
is dated at the middle and the other at the beginning, so the lag is found 2 % below zero, a fifth of the tolerance.

{logs}

## Deferral (C5)

Six cells; log times spread by 0.3 between pairs and 0.26 within them; a tenth of the runs diverge.

{survival}

## Intervention (C8)

Six blocks; gap of SGD left alone 0.5 in log loss, of its branches as stated; spread 0.02 over blocks (none
where there is one), 0.03 over the seeds of one. At the control time there is no gap, and treatments take nothing but
where stated. The margin is 0.05. Where the gap of the runs left alone is the margin
on average, some blocks have one that can be lost, and C8 speaks of these alone.

{branches}
"""


def _error(n: int) -> str:
    return f"{math.sqrt(0.05 * 0.95 / n):.1%}"


def main() -> None:
    """Measure and print, or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--whole", type=int, default=400)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = page(arguments.experiments, arguments.cells, arguments.whole)
    if arguments.write:
        (Path(__file__).parents[1] / "inference_events.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
