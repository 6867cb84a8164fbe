"""Time of one training step of each family of models against the loop that a user would write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from mstudy.core.params import Grid, Study
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig, plan_runs
from mstudy.train.sweep.width import choose_width

from benchmarks.speed.contenders import ensemble_step, plain_step
from benchmarks.speed.timing import BLOCK_SECONDS, ROUNDS, least, table

STACKED = 8
RUNS = 64
SAMPLES = 256
IMAGE = (3, 32, 32)


@dataclass(frozen=True)
class Setting:
    """A model on random samples. symbols: of text, 0 for numbers."""

    model: str
    shape: tuple[int, ...]
    batch_size: int
    symbols: int = 0

    def data(self) -> Dataset:
        """Random inputs and targets."""
        draw = np.random.default_rng(0)
        if self.symbols:
            text = draw.integers(self.symbols, size=(2, SAMPLES, *self.shape))
            return Dataset("random", text[0], text[1], self.symbols)
        return Dataset("random", draw.normal(size=(SAMPLES, *self.shape)), draw.integers(10, size=SAMPLES), 10)

    def runs(self, data: Dataset) -> list[RunConfig]:
        """Runs with steps too small to diverge."""
        study = Study(
            model=self.model,
            objective="cross_entropy",
            batch_sizes=(self.batch_size,),
            eta_ef=Grid(1e-3, 1e-3, 1),
            momenta=(0.9,),
            seeds=RUNS,
        )
        return plan_runs("random", study, data)


SETTINGS = (
    Setting("mlp-tanh-64-64", (64,), 16),
    Setting("mlp-relu-512-512", (784,), 64),
    Setting("cnn-relu-16-32", (1, 8, 8), 32),
    Setting("cnn-relu-16-32", (1, 28, 28), 32),
    Setting("resnet18-group-16", IMAGE, 32),
    Setting("resnet18-batch-16", IMAGE, 32),
    Setting("vgg11-group-16", IMAGE, 32),
    Setting("transformer-2-64-4", (64,), 16, symbols=65),
)


def section() -> str:
    """The section of the README."""
    head = ["model", "input", "batch size", "loop", "width", "ours", "loop / ours", "one alone", f"{STACKED} stacked"]
    rows = [_line(setting) for setting in SETTINGS]
    return f"""## One step of training, each family of models (`benchmarks/speed/models.py`)

Milliseconds a run and step. Cross-entropy, momentum 0.9, random samples, nothing logged, one process of one thread;
least of {ROUNDS} blocks of {BLOCK_SECONDS} s. Width: that which the engine measures to be fastest. One alone and
{STACKED} stacked: the engine at widths 1 and {STACKED}.

{table(head, rows)}
"""


def _line(setting: Setting) -> list[str]:
    data = setting.data()
    runs = setting.runs(data)
    width = choose_width(runs, data, torch.device("cpu"), workers=1).width
    widths = sorted({1, STACKED, width})
    alone, *together = least([plain_step(runs[0], data), *(ensemble_step(runs[:k], data) for k in widths)])
    ours = {k: seconds / k for k, seconds in zip(widths, together, strict=True)}
    shape = "x".join(map(str, setting.shape)) + (" symbols" if setting.symbols else "")
    return [
        setting.model,
        shape,
        f"{setting.batch_size}",
        f"{alone * 1e3:.3g}",
        f"{width}",
        f"{ours[width] * 1e3:.3g}",
        f"{alone / ours[width]:.2f}",
        f"{ours[1] * 1e3:.3g}",
        f"{ours[STACKED] * 1e3:.3g}",
    ]
