"""One step of training, as a user would write it and as this library does it. Nothing is logged in either."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from mstudy.core.params import Study
from mstudy.data.dataset import Dataset
from mstudy.models.build import build
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.stage import study_runs
from mstudy.train.sweep.step_time import NO_ROWS
from torch import Tensor
from torch.nn import functional

ENDLESS = 10**9


CPU = torch.device("cpu")


def plain_step(run: RunConfig, data: Dataset, device: torch.device = CPU) -> Callable[[], object]:
    """torch.nn, autograd and torch.optim.SGD, one network."""
    torch.manual_seed(run.seed)
    network = build(run.model, data.input_shape, data.n_outputs, data.is_text).to(device)
    optimizer = torch.optim.SGD(network.parameters(), run.learning_rate, run.momentum)
    x, y = torch.as_tensor(data.inputs), torch.as_tensor(data.targets)
    x = x if data.is_text else x.float()
    loss_of = functional.cross_entropy
    if run.objective == "squared_error":
        y, loss_of = torch.eye(data.n_outputs)[y], _squared_error
    x, y = x.to(device), y.to(device)

    def step() -> None:
        rows = slice(None) if run.full_batch else torch.randint(len(x), (run.batch_size,), device=device)
        outputs, targets = network(x[rows]), y[rows]
        loss = loss_of(outputs.flatten(0, -2), targets.flatten() if data.is_text else targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets) ** 2).sum(dim=1).mean() / 2


def ensemble_step(runs: Sequence[RunConfig], data: Dataset, device: torch.device = CPU) -> Callable[[], object]:
    """All runs side by side."""
    ensemble = Ensemble([replace(run, steps=ENDLESS) for run in runs], data, device)
    state, rows = ensemble.start(), Rows.empty(len(runs))
    return lambda: ensemble.advance(state, rows, NO_ROWS)


def gentle_digits(batch_size: int, width: int = ENDLESS) -> list[RunConfig]:
    """Runs of the default study in which nothing diverges: one that has would cost nothing any more."""
    same = [run for run in study_runs("digits", Study()) if run.batch_size == batch_size]
    return sorted(same, key=lambda run: (run.learning_rate > 0.1, run.seed, run.learning_rate))[:width]
