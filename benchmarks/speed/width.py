"""Is the width well chosen beside a busy neighbour? `python -m benchmarks.speed.width [--trials 20] [--write]`.

The neighbour is a process that multiplies matrices without a pause. The choice is made anew in each trial. What the
widths take is measured without it: the least of 25 blocks of processor time, with the widths in turns.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.width import choose_width

from benchmarks.speed.contenders import CPU, ensemble_step, gentle_digits
from benchmarks.speed.models import SETTINGS
from benchmarks.speed.timing import cpu, table

REPORT = Path(__file__).parents[1] / "width.md"
BATCH_SIZES = (16, 256, 1797)
WIDTHS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS, BLOCK_SECONDS = 25, 0.02
NEAR = 1.1  # times the best width's time
SIDE = 512  # of the matrices that a neighbour multiplies


@dataclass(frozen=True)
class Case:
    """Runs of one batch size. times: seconds of a step of one run by width, measured without a neighbour."""

    name: str
    data: Dataset
    runs: Sequence[RunConfig]
    times: dict[int, float]


@dataclass(frozen=True)
class Choice:
    """loss: the time at the chosen width over that at the best one. share: of the training that the choice took."""

    loss: float
    share: float


def cases() -> list[Case]:
    """The digits at some batch sizes, and two networks whose layers are convolutions."""
    digits = dataset("digits")
    given = [(f"digits, b = {b}", digits, gentle_digits(b)) for b in BATCH_SIZES]
    for setting in SETTINGS[2:4]:
        data = setting.data()
        given.append((f"{setting.model}, {'x'.join(map(str, setting.shape))}", data, setting.runs(data)))
    return [Case(name, data, runs, times_of(runs, data)) for name, data, runs in given]


def times_of(runs: Sequence[RunConfig], data: Dataset) -> dict[int, float]:
    """Seconds of a step of one run at each width."""
    steps = {k: ensemble_step(runs[:k], data) for k in WIDTHS if k <= len(runs)}
    for step in steps.values():
        step()
    rounds = [{k: _block(step) / k for k, step in steps.items()} for _ in range(ROUNDS)]
    return {k: min(each[k] for each in rounds) for k in steps}


def _block(step: Callable[[], object]) -> float:
    start, n = time.process_time(), 0
    while time.process_time() - start < BLOCK_SECONDS:
        step()
        n += 1
    return (time.process_time() - start) / n


def choice(case: Case) -> Choice:
    """Choose once."""
    started = time.process_time()
    width = choose_width(case.runs, case.data, CPU, workers=1).width
    spent = time.process_time() - started
    training = sum(run.n_updates for run in case.runs) * case.times[width]
    return Choice(case.times[width] / min(case.times.values()), spent / training)


@contextmanager
def neighbours(n: int) -> Iterator[None]:
    """Keep so many cores busy."""
    context = multiprocessing.get_context("spawn")
    busy = [context.Process(target=_multiply, daemon=True) for _ in range(n)]
    for process in busy:
        process.start()
    time.sleep(2.0 if n else 0.0)  # until they have imported what they need
    try:
        yield
    finally:
        for process in busy:
            process.terminate()
            process.join()


def _multiply() -> None:
    torch.set_num_threads(1)
    matrix = torch.rand(SIDE, SIDE)
    while True:
        matrix @ matrix


def row(case: Case, choices: Sequence[Choice]) -> list[str]:
    """A line of the table."""
    best = min(case.times, key=lambda width: case.times[width])
    near = sum(each.loss <= NEAR for each in choices)
    worst, share = max(each.loss for each in choices), max(each.share for each in choices)
    counts = [f"{near} of {len(choices)}", f"{worst:.2f}", f"{share:.1%}"]
    return [case.name, f"{best}", f"{case.times[1] / case.times[best]:.2f}", *counts]


def page(rows: Sequence[Sequence[str]], n_neighbours: int) -> str:
    """The page, in Markdown."""
    head = ["runs", "best width", "width 1, times the best", "within 10 % of the best"]
    head += ["worst, times the best", "largest share of the training"]
    what = (__doc__ or "").partition("\n\n")[2].strip()
    note = "Share: processor time of the choice over that of training all runs at the chosen width, logging left out."
    return (
        "# The choice of widths beside a busy neighbour (`benchmarks/speed/width.py`)\n\n"
        f"{what}\n{note}\nMachine: {cpu()}. Neighbours: {n_neighbours}.\n\n{table(head, rows)}\n"
    )


def main() -> None:
    """Measure and print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    keep_freed_memory()
    with repeatable():
        measured = cases()
        with neighbours(asked.neighbours):
            rows = [row(case, [choice(case) for _ in range(asked.trials)]) for case in measured]
    text = page(rows, asked.neighbours)
    if asked.write:
        REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
