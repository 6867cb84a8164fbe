"""Trains many runs side by side that differ in learning rate, momentum and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mstudy.core.errors import TrainingError
from mstudy.core.quantities import LOSS as TRAINING_LOSS
from mstudy.core.quantities import MEASURED_COLUMNS, Quantity
from mstudy.core.statuses import TwinKind
from mstudy.curvature.chunks import evaluate
from mstudy.curvature.flat_rows import chance_rows, nudged, survives
from mstudy.curvature.measure import Moment, Probe, StepBatches, measure_batches, order_of
from mstudy.curvature.network import CURVATURE, GRADIENT, LOSS, Batch, Evaluation
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig
from mstudy.train.ensemble.branches import Projected, Rules
from mstudy.train.ensemble.build_network import build_network
from mstudy.train.ensemble.cuda_graph import RecordedStep
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.memory import members_at_once
from mstudy.train.ensemble.minibatches import MiniBatches
from mstudy.train.ensemble.schedule import Schedule
from mstudy.train.ensemble.state import State, no_rate

# On a GPU, asking whether a member has diverged stalls the queue: between logged steps it is asked only this often.
# Until the next check a diverged member is still updated. This does not affect the others, and the step of divergence
# is stored.
_STEPS_BETWEEN_CHECKS = {"cpu": 1, "cuda": 16}
_REPLAYS = {"cpu": False, "cuda": True}  # whether the steps without a row are recorded and replayed
ROWS_TOUCHED = 3  # in a step that is not measured: weights, gradient and update
ROWS_HELD = 54  # weights, update and gradient, and the Krylov space of the search for the sharpness


class Ensemble:
    """Runs that are equal but for learning rate, momentum, optimizer and seed, on one device.

    A member whose batch loss is not finite or exceeds `divergence_factor` times its first one is diverged from that
    step on, which is not logged. Raises TrainingError where that is so before the first step.
    """

    def __init__(self, runs: Sequence[RunConfig], data: Dataset, device: torch.device) -> None:
        self.runs, self._shared, self._device = list(runs), runs[0], device
        shared = self._shared
        data = data.first(shared.n_train)
        self._network = build_network(shared.model, shared.objective, data, device, shared.init)
        self._samples = Samples(data, self._network.dtype, device)
        self._everything = self._samples.first(shared.n_train)
        # A network of its own, so that measuring does not overwrite what a step still needs.
        probing = build_network(shared.model, shared.objective, data, device)
        probed = self._samples.first(shared.probe_samples)
        width = members_at_once(probing, self._everything, shared.chunk, device)
        self._loss_probe = Probe(probing, self._everything, shared.chunk, width)
        self._probe = Probe(probing, probed, shared.chunk, width)
        self._probing = probing
        own = [(run.seed, run.twin == TwinKind.ORDER) for run in runs]
        orders = sorted(set(own))
        self._orders = MiniBatches(shared.n_train, shared.batch_size, *zip(*orders, strict=True))
        self._order_of = np.array([orders.index(order) for order in own])
        self._rules = Rules(runs, self._network.dtype, device)
        self._projected = Projected(runs, self._probe)
        self._check_every = _STEPS_BETWEEN_CHECKS[device.type]
        # And one for replayed steps, whose tensors must stay where they were when a step was recorded.
        self._replayed = build_network(shared.model, shared.objective, data, device) if _REPLAYS[device.type] else None
        self._recorded: RecordedStep | None = None
        self._recorded_since = 0  # the step from which on it is what the members do

    @property
    def n_parameters(self) -> int:
        """Weights of one member."""
        return self._network.n_parameters

    def describe(self) -> dict[str, Any]:
        """Return engine, width, dtype and device, as each log names them; on a GPU also the factors of convolutions."""
        arithmetic = {
            "engine": self._network.engine,
            "width": len(self.runs),
            "dtype": str(self._network.dtype).removeprefix("torch."),
            "device": self._device.type,
        }
        if self._device.type == "cuda":
            arithmetic["convolutions"] = "tf32" if torch.backends.cudnn.allow_tf32 else "float32"
        return arithmetic

    def bytes_per_member(self, n_rows: int = ROWS_HELD) -> int:
        """Return roughly the memory that a member takes while it trains and is measured, or with so many rows."""
        rows = (n_rows + len(self._rules.buffers)) * self._network.row_length * self._network.dtype.itemsize
        n_samples = min(self._shared.batch_size, self._shared.chunk)
        return rows + self._network.bytes_per_sample(self._everything) * n_samples

    def start(self) -> State:
        """Return all members at step 0."""
        begun = [(self._network.initial_weights(run.seed), run.twin == TwinKind.ROUNDING) for run in self.runs]
        w = torch.stack([nudged(row) if is_twin else row for row, is_twin in begun]).to(self._device)
        limit = torch.full((len(w),), torch.nan, dtype=w.dtype, device=self._device)
        diverged_at = torch.full((len(w),), -1, device=self._device)
        buffers = {name: torch.zeros_like(w) for name in self._rules.buffers}
        eigenvectors = w.new_zeros(len(w), 2 * w.shape[1])
        return State(0, list(range(len(w))), w, buffers, eigenvectors, no_rate(w), limit, diverged_at)

    def advance(self, state: State, rows: Rows, schedule: Schedule) -> None:
        """Make one step: log it if the schedule says so, then update the weights. Changes `state` and `rows`."""
        self._rules.start_branches(state)
        if self._may_replay(state, schedule):
            if state.step % self._check_every > 0 or self._remove_diverged(state, rows):
                self._replay(state)
            return
        order = max(GRADIENT, order_of(schedule.asked(state.step))) if self._shared.full_batch else GRADIENT
        batch = self._batch(state)
        at = self._evaluate(state, batch, order)
        if state.step == 0:
            state.loss_limit = at.loss * self._shared.divergence_factor
        state.note_divergence(at.loss, state.step)
        if schedule.logs(state.step) or state.step % self._check_every == 0:
            alive = self._remove_diverged(state, rows)
            if not alive:
                return
            if len(alive) < len(at.loss):
                batch = batch.members(torch.tensor(alive, device=self._device))
                at = self._evaluate(state, batch, order)
        gradient = at.gradient()
        self._projected.refresh(state, gradient)
        updates = self._rules.of(state)
        direction = updates.direction(state.step, state.w, gradient, state.buffers)
        if schedule.logs(state.step):
            chance = chance_rows(self._network.n_parameters, state.w)
            moment = _moment(state, gradient, updates.update(direction), updates.learning_rates, chance)
            rows.add(state.step, state.members, self._measure(state, schedule, batch, at, moment))
        if state.step < self._shared.n_updates:
            updates.move(state.w, direction)
        state.step += 1

    def _evaluate(self, state: State, batch: Batch, order: int) -> Evaluation:
        return evaluate(self._network, state.w, batch, order, self._shared.chunk)

    def _batch(self, state: State) -> Batch:
        if self._shared.full_batch:
            return self._everything
        return self._samples.batch(self._index(state))

    def _index(self, state: State) -> NDArray[np.int64]:
        """Return the samples of the step's mini-batches, (n_members, batch_size)."""
        index: NDArray[np.int64] = self._orders.at(state.step)[self._order_of[state.members]]
        return index

    def _may_replay(self, state: State, schedule: Schedule) -> bool:
        """Return whether the step may be replayed: it has no row, no search and the full learning rate, and is neither
        the first nor the last.
        """
        alike = max(1, self._shared.warmup_steps) <= state.step < self._shared.n_updates
        plain = not schedule.logs(state.step) and not self._projected.is_due(state.step)
        return self._replayed is not None and alike and plain

    def _replay(self, state: State) -> None:
        index = None if self._shared.full_batch else self._index(state)
        since = self._rules.since(state.step)
        if self._recorded is None or self._recorded.w is not state.w or self._recorded_since != since:
            self._recorded, self._recorded_since = RecordedStep(self._plain_step(state), state.w, index), since
        self._recorded(state.step, index)
        state.step += 1

    def _plain_step(self, state: State) -> Callable[[Tensor, Tensor | None], None]:
        """Return (step, index of the samples) -> None: update these members once, and note who has diverged."""
        updates, any_step = self._rules.of(state), state.step

        def step(step: Tensor, index: Tensor | None) -> None:
            assert self._replayed is not None, "only where steps are replayed"
            batch = self._everything if index is None else self._samples.batch(index)
            at = evaluate(self._replayed, state.w, batch, GRADIENT, self._shared.chunk)
            state.note_divergence(at.loss, step)
            updates.move(state.w, updates.direction(any_step, state.w, at.gradient(), state.buffers))

        return step

    def _remove_diverged(self, state: State, rows: Rows) -> list[int]:
        """Remove the diverged members; return the places of those that stay."""
        steps = state.diverged_at.tolist()
        if 0 in steps:
            raise TrainingError(
                f"The loss at the initial weights must be finite, found otherwise for {self._shared.model} on "
                f"{self._shared.dataset}; bring the inputs to a scale of about 1."
            )
        for member, step in zip(state.members, steps, strict=True):
            if step >= 0:
                rows.diverged_step[member] = step
        alive = [place for place, step in enumerate(steps) if step < 0]
        if len(alive) < len(steps):
            state.select(alive)
        return alive

    def _measure(
        self,
        state: State,
        schedule: Schedule,
        batch: Batch,
        at: Evaluation,
        moment: Moment,
    ) -> NDArray[np.float64]:
        """Return one row a member, of MEASURED_COLUMNS. at: the step's own evaluation."""
        shared = at if self._shared.full_batch else None  # it saw all samples
        quantities = schedule.asked(state.step)
        nothing = torch.full((len(state.w),), torch.nan, dtype=torch.float64, device=self._device)
        values = dict.fromkeys(MEASURED_COLUMNS, nothing)
        values |= self._of_training_set(moment, quantities, shared)
        values |= measure_batches(moment, self._batches(state, batch, at), quantities)
        return torch.stack([values[name] for name in MEASURED_COLUMNS], dim=1).cpu().numpy()

    def _of_training_set(
        self, moment: Moment, quantities: list[Quantity], shared: Evaluation | None
    ) -> dict[str, Tensor]:
        """Measure what is of the training loss: the loss of all samples, what else there is perhaps only of some."""
        if self._probe.batch.n_samples == self._shared.n_train:
            return self._probe.measure(moment, quantities, shared)
        losses = [quantity for quantity in quantities if quantity is TRAINING_LOSS]
        others = [quantity for quantity in quantities if quantity is not TRAINING_LOSS]
        return self._loss_probe.measure(moment, losses) | self._probe.measure(moment, others)

    def _batches(self, state: State, batch: Batch, at: Evaluation) -> StepBatches:
        w, chunk = state.w, self._shared.chunk

        def loss_at(w: Tensor) -> Tensor:
            return evaluate(self._network, w, batch, LOSS, chunk).loss

        def drawn() -> Iterator[Evaluation]:
            return (evaluate(self._probing, w, drawn, CURVATURE, chunk) for drawn in self._drawn(state))

        return StepBatches(at.loss, loss_at, drawn)

    def _drawn(self, state: State) -> list[Batch]:
        if self._shared.full_batch:
            return [self._everything]
        n = self._shared.cadence.batch_sharpness_batches
        return [
            self._samples.batch(index[self._order_of[state.members]]) for index in self._orders.drawn(state.step, n)
        ]


def _moment(state: State, gradient: Tensor, update: Tensor, learning_rates: Tensor, chance: Tensor) -> Moment:
    moves = survives(state.w, update)
    return Moment(state.w, gradient, update, moves, state.eigenvectors, chance, learning_rates, state.critical_rates)
