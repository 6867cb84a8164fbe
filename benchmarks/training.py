"""Time of one training step of one run: the ensemble against the loop that a user would write.

One process, one thread, the default study's perceptron on digits, in one go; the best of several repetitions of
each. Nothing is logged on either side. Writes benchmarks/README.md.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mstudy.params import Study
from mstudy.training.ensemble import train_ensemble
from mstudy.training.plan import RunConfig
from mstudy.training.sweep import dataset, ensembles, study_runs

REPETITIONS = 5
STEPS = {16: 400, 64: 200, 256: 100, 512: 60, 1797: 40}


def loop(run: RunConfig) -> None:
    """torch.nn, autograd and torch.optim.SGD, one network."""
    data = dataset(run.dataset)
    x, y = torch.tensor(data.inputs, dtype=torch.float32), torch.eye(data.n_classes)[torch.tensor(data.labels)]
    torch.manual_seed(run.seed)
    network = torch.nn.Sequential(
        torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(network.parameters(), run.learning_rate, run.momentum)
    for _ in range(run.steps):
        rows = slice(None) if run.full_batch else torch.randint(run.n_train, (run.batch_size,))
        loss = ((network(x[rows]) - y[rows]) ** 2).sum(dim=1).mean() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def microseconds(train: Callable[[int], object], steps: int) -> float:
    """Best time of one step: of three times the steps, less that of the steps, so that start and end cancel."""
    best = {steps: float("inf"), 3 * steps: float("inf")}
    for _ in range(REPETITIONS):
        for n in best:
            start = time.perf_counter()
            train(n)
            best[n] = min(best[n], time.perf_counter() - start)
    return (best[3 * steps] - best[steps]) / (2 * steps) * 1e6


def measure() -> list[tuple[int, int, float, float]]:
    """Batch size, ensemble width, µs of the loop, µs of the ensemble per run."""
    data = dataset("digits")
    rows = []
    for batch_size, steps in sorted(STEPS.items()):
        gentle = [r for r in study_runs("digits", Study()) if r.batch_size == batch_size and r.learning_rate < 0.1]
        task = ensembles(gentle)[0]
        looped = microseconds(lambda n, run=task[0]: loop(replace(run, steps=n)), steps)
        together = microseconds(lambda n, task=task: train_ensemble(_quiet(task, n), data), steps)
        rows.append((batch_size, len(task), looped, together / len(task)))
    return rows


def _quiet(task: list[RunConfig], steps: int) -> list[RunConfig]:
    """Logged at steps that double: one row more for three times the steps."""
    return [replace(run, steps=steps, dense_steps=0, growth=1.0, sharpness_every=10**6) for run in task]


def main() -> None:
    torch.set_num_threads(1)
    table = "\n".join(
        f"| {b} | {width} | {looped:.0f} | {together:.0f} | {looped / together:.1f} |"
        for b, width, looped, together in measure()
    )
    text = f"""# Benchmarks

Written by `make bench`; ratios are within one run on one machine.

## One training step of one run (`benchmarks/training.py`)

Perceptron 64-64-64-10 on digits, squared error; {platform.machine()}, one thread; torch {torch.__version__},
NumPy {np.__version__}; best of {REPETITIONS}, start-up and first rows of the log cancelled.
The loop is one network with autograd and `torch.optim.SGD`.

| batch size | ensemble width | loop, µs | ensemble, µs a run | ratio |
|---|---|---|---|---|
{table}
"""
    (Path(__file__).parent / "README.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
