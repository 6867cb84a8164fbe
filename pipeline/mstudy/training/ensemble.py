"""Trains many runs side by side that differ in learning rate, momentum and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mstudy.params import Cadence
from mstudy.runlog.schema import COMPLETED, DIVERGED, NESTEROV
from mstudy.training.cadence import logged_steps, sharpness_steps
from mstudy.training.datasets import Dataset
from mstudy.training.minibatches import minibatches
from mstudy.training.mlp import Forward, Mlp
from mstudy.training.objectives import OBJECTIVES
from mstudy.training.plan import RunConfig
from mstudy.training.probe import Probe

_MEASURED = (
    "loss",
    "directional_curvature",
    "sharpness",
    "sharpness_residual",
    "batch_loss",
    "grad_norm",
    "update_norm",
)


@dataclass(frozen=True)
class RunLog:
    """What one run left: columns of the schema, each (n_rows,), and how it ended."""

    config: RunConfig
    columns: dict[str, NDArray[Any]]
    status: str
    diverged_step: int | None

    def metadata(self, device: torch.device) -> dict[str, Any]:
        """The JSON object of the run's log."""
        return {
            **self.config.metadata(),
            "status": self.status,
            "diverged_step": self.diverged_step,
            "curvature_samples": self.config.n_train,
            "engine": "ensemble",
            "dtype": "float32",
            "device": device.type,
            "torch": str(torch.__version__),
        }


def train_ensemble(configs: Sequence[RunConfig], data: Dataset, device: torch.device | None = None) -> list[RunLog]:
    """Train the runs together; one log each, in their order.

    configs: equal but for learning rate, momentum, optimizer and seed. data: the training set, n_train samples.
    A member whose batch loss is not finite or exceeds `divergence_factor` times its first one is diverged: it leaves
    the ensemble at that step, which is not logged. A member's numbers depend on who trains beside it in rounding only.
    """
    return _Training(configs, data, device or torch.device("cpu")).run()


class _Training:
    """The state of an ensemble in training. Row i of every tensor belongs to run `self.members[i]`."""

    def __init__(self, configs: Sequence[RunConfig], data: Dataset, device: torch.device) -> None:
        self.configs, self.shared, self.device = list(configs), configs[0], device
        objective = OBJECTIVES[self.shared.objective]
        self.network = Mlp(self.shared.widths, objective)
        self.x = torch.as_tensor(data.inputs, dtype=self.network.dtype, device=device)
        self.y = torch.eye(data.n_classes, dtype=self.network.dtype, device=device)[torch.as_tensor(data.labels)]
        self.probe = Probe(Mlp(self.shared.widths, objective), self.x, self.y)
        self.orders = {c.seed: minibatches(c.n_train, c.batch_size, c.seed) for c in configs}

        def column(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=self.network.dtype, device=device)[:, None]

        self.members = np.arange(len(configs))
        self.w = torch.stack([self.network.initial_weights(c.seed) for c in configs]).to(device)
        self.velocity = torch.zeros_like(self.w)
        self.update = torch.zeros_like(self.w)
        self.eigenvectors = torch.ones_like(self.w)
        self.learning_rate = column([c.learning_rate for c in configs])
        self.momentum = column([c.momentum for c in configs])
        self.nesterov = column([float(c.optimizer == NESTEROV) for c in configs])
        self.any_nesterov = bool(self.nesterov.any())
        self.loss_limit = torch.full((len(configs),), torch.inf, device=device)
        self.steps: list[list[int]] = [[] for _ in configs]
        self.rows: list[list[NDArray[np.float64]]] = [[] for _ in configs]
        self.diverged_step: list[int | None] = [None] * len(configs)

    def run(self) -> list[RunLog]:
        cadence = Cadence(self.shared.dense_steps, self.shared.growth, self.shared.sharpness_every)
        logged = set(logged_steps(cadence, self.shared.steps))
        sharp = sharpness_steps(cadence, self.shared.steps)
        for step in range(self.shared.steps + 1):
            at = self._forward_alive(step)
            if at is None:
                break
            gradient = self.network.gradient(self.w, at)
            update = self._update(gradient)
            if step in logged:
                self._record(step, at, gradient, update, with_sharpness=step in sharp)
            if step < self.shared.steps:
                self.w += update
        return [self._log(index) for index in range(len(self.configs))]

    def _forward_alive(self, step: int) -> Forward | None:
        """The step's mini-batch at the current weights, for the members that have not diverged by now."""
        x, y = self._batch()
        at = self.network.forward(self.w, x, y)
        if step == 0:
            self.loss_limit = at.loss * self.shared.divergence_factor
        alive = torch.isfinite(at.loss) & (at.loss <= self.loss_limit)
        if bool(alive.all()):
            return at
        self._retire(step, alive)
        if len(self.members) == 0:
            return None
        keep = slice(None) if self.shared.full_batch else alive
        return self.network.forward(self.w, x[keep], y[keep])

    def _batch(self) -> tuple[Tensor, Tensor]:
        if self.shared.full_batch:
            return self.x, self.y
        drawn = {seed: next(order) for seed, order in self.orders.items()}
        index = torch.as_tensor(np.stack([drawn[self.configs[m].seed] for m in self.members]), device=self.device)
        return self.x[index], self.y[index]

    def _retire(self, step: int, alive: Tensor) -> None:
        kept = alive.cpu().numpy()
        for member in self.members[~kept]:
            self.diverged_step[member] = step
        self.members = self.members[kept]
        for name in ("w", "velocity", "update", "eigenvectors", "learning_rate", "momentum", "nesterov", "loss_limit"):
            setattr(self, name, getattr(self, name)[alive])

    def _update(self, gradient: Tensor) -> Tensor:
        """Advance the velocity and return w_{t+1} - w_t, as torch.optim.SGD does without dampening."""
        self.velocity.mul_(self.momentum).add_(gradient)
        if not self.any_nesterov:
            return torch.mul(self.velocity, -self.learning_rate, out=self.update)
        # Nesterov looks ahead: g + mu v instead of v.
        torch.mul(self.velocity, self.momentum, out=self.update).add_(gradient)
        ahead = torch.where(self.nesterov > 0, self.update, self.velocity)
        return torch.mul(ahead, -self.learning_rate, out=self.update)

    def _record(self, step: int, at: Forward, gradient: Tensor, update: Tensor, with_sharpness: bool) -> None:
        measured = self.probe.measure(
            self.w,
            update,
            self.eigenvectors if with_sharpness else None,
            at if self.shared.full_batch else None,
        )
        values = [*vars(measured).values(), at.loss, gradient.norm(dim=1), update.norm(dim=1)]
        table = torch.stack([value.double().cpu() for value in values], dim=1).numpy()
        for member, row in zip(self.members, table, strict=True):
            if np.isfinite(row[0]):  # the full loss may overflow a few steps before the batch loss does
                self.steps[member].append(step)
                self.rows[member].append(row)

    def _log(self, index: int) -> RunLog:
        table = np.stack(self.rows[index])
        columns = {"step": np.array(self.steps[index])} | dict(zip(_MEASURED, table.T, strict=True))
        diverged = self.diverged_step[index]
        return RunLog(self.configs[index], columns, COMPLETED if diverged is None else DIVERGED, diverged)
