"""CurvatureProbe: curvature along the updates of a training loop that is the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mstudy.core.errors import TrainingError
from mstudy.core.quantities import LOSS
from mstudy.core.statuses import CurvatureBy
from mstudy.probe.failures import Failures
from mstudy.probe.last_words import tell_at_end
from mstudy.probe.learning_rate import learning_rate_of
from mstudy.probe.row_measure import BY, Row, RowMeasure, Samples
from mstudy.probe.step_watch import StepWatch, hookable, was_skipped
from mstudy.probe.user_data import UserData, Weight
from mstudy.probe.user_module import Loss
from mstudy.probe.wanted import Wanted

CHECK = "curvature_check"  # in a log's metadata
# Wrappers that compute by replicas of their module; the probe wants the module itself.
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


class Log(Protocol):
    """What `log_to` needs of a RunLogger."""

    def log(self, step: int, loss: float, **columns: float | None) -> None:
        """Log one row."""


class CurvatureProbe:
    """Measures at every `every`-th step of the optimizer, by itself, from hooks on `optimizer.step`:

    * `directional_curvature` u^T H u / ||u||^2 along the update u that the step really made, the difference of the
      weights before and after it, whatever the optimizer, its parameter groups, clipping, weight decay, accumulation
      of gradients or schedule; H is the Hessian of the mean loss over `data`, in all trainable parameters, at the
      weights before the step. None where the update is lost in the rounding of the weights (probe/rounding.py);
    * `loss`, the mean loss over `data` at the same weights, and `update_norm`;
    * every `critical_sharpness_every` steps `critical_sharpness` 2/eta_c, eta_c the least learning rate at which the
      same update would raise that loss, and `critical_sharpness_error`, by seven more forward passes. None where no
      step is known to be the first that raises it (curvature/critical_sharpness.py);
    * every `sharpness_every` steps `sharpness`, the largest eigenvalue of H, and `sharpness_residual`;
    * every `batch_sharpness_every` steps `batch_sharpness`, the mean of g^T H_B g / ||g||^2 over
      `batch_sharpness_batches` of the `mini_batches`, and its standard error `batch_sharpness_se`.

    module: the plain module (of DistributedDataParallel its `.module`); compiled parts are measured uncompiled. loss:
    (module, batch) -> mean loss of the batch, a scalar. data: the training set or a fixed part of it, as one batch (a
    tensor, or a tuple, list, mapping or dataclass with tensors) or as batches (a list or loader without shuffling,
    augmentation or persistent workers). mini_batches: batches as training draws them. chunk: samples evaluated at once;
    fewer take less memory. start_step: steps made before, where training goes on from a checkpoint.
    weight: where data is more than one batch or chunk, what the loss of a batch is a mean over: a function of the
    batch, as the number of its valid tokens, or a count for each. Without it a batch's share is its number of samples,
    and a loss that is no such mean is refused: the first measurement compares neighbours with both together.
    directional_curvature: False for models too large for a second derivative, which then nothing asks for unless
    another `..._every` does.
    check_every: the first curvature is compared with second differences of the loss, and every so many-th; 0: it alone.
    strict: raise TrainingError where something cannot be measured. Else the training goes on: the row has None, and
    the reason is said once, counted, and said again at the end and in the metadata of the log (`about`).

    What is measured is a deterministic function of the weights: dropout is off, and nothing else of the training mode;
    normalisations use the statistics of the batch at hand if they are in training mode; other randomness is drawn alike
    each time. All is computed in float32, without autocast, TF32 or bfloat16 (in float64 if a parameter is of float64),
    also where training uses mixed precision: then H is that of the float32 loss at the same weights. Parameters,
    `.grad`, buffers, modes, hooks and random states are left as they were, and so is what the loss and the module note
    in attributes, lists and variables around them. One optimizer must move all that is trained.

    H is whole or there is none: a parameter that training moves and that the measured loss does not reach is named. A
    backward pass that has no derivative is differentiated by differences of gradients: the row then has `curvature_by`
    "differences", and `curvature_error`, how far off its curvature along the update may be.

    Cost, in gradients of `data`: 2 to 3 for the curvature along the update (5 where `data` is more than one batch or
    chunk), 2 to 3 for each of some 6 to 30 products of the sharpness (benchmarks/logging.md), and seven forward passes
    for the critical sharpness: about 2.5 gradients, more for small nets. A check costs some 10 in float64.
    Raises TrainingError or DataError where what it is given cannot be measured.

    Example:
        >>> import mstudy, torch
        >>> model, data = torch.nn.Linear(2, 1), torch.ones(4, 2)
        >>> loss = lambda module, batch: module(batch).square().mean()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> probe = mstudy.CurvatureProbe(model, loss, data, optimizer)
        >>> loss(model, data).backward()
        >>> optimizer.step()
        >>> round(probe.read()["directional_curvature"], 4)  # H = 2 (x, 1) (x, 1)^T: 6 along the gradient
        6.0
    """

    def __init__(
        self,
        module: nn.Module,
        loss: Loss,
        data: Any,
        optimizer: Optimizer,
        *,
        every: int = 1,
        directional_curvature: bool = True,
        critical_sharpness_every: int = 0,
        sharpness_every: int = 0,
        batch_sharpness_every: int = 0,
        mini_batches: Any = None,
        batch_sharpness_batches: int = 8,
        chunk: int | None = None,
        weight: Weight = None,
        check_every: int = 0,
        start_step: int = 0,
        strict: bool = False,
    ) -> None:
        if isinstance(module, _WRAPPERS):
            raise TrainingError(f"module must be the plain module, found {type(module).__name__}; give its .module.")
        self._module: nn.Module = getattr(module, "_orig_mod", module)
        self._every, self._sharpness_every, self._check_every = every, sharpness_every, check_every
        self._batch_sharpness_every = batch_sharpness_every
        self._critical_sharpness_every, self._directional_curvature = critical_sharpness_every, directional_curvature
        if batch_sharpness_every and mini_batches is None:
            raise TrainingError("mini_batches must be given for the batch sharpness: batches as training draws them.")
        batches = UserData(mini_batches, weight if callable(weight) else None) if batch_sharpness_every else None
        self._samples = Samples(UserData(data, weight), batches, batch_sharpness_batches, chunk)
        self._check_cadences()
        self.steps_done = start_step
        self._before: list[Tensor] | None = None
        self._row: Row | None = None
        self._failures = Failures(strict)
        steps = hookable(optimizer)
        self._measure = RowMeasure(self._module, loss, self._trainable(steps), self._samples, self._failures)
        self._watch = StepWatch(self._measure.network.trainable)
        self._hooks = (
            steps.register_step_pre_hook(lambda *_: _outside_inference(self._note_weights)),
            steps.register_step_post_hook(lambda made, *_: _outside_inference(lambda: self._note_step(made))),
        )
        tell_at_end(self, self._failures)

    def log_to(self, log: Log, **columns: Any) -> None:
        """Log what the last step measured, with columns of your own, as one row; nothing if it measured nothing.

        A row without a loss is no row of a log, unless `columns` gives one.
        """
        row = self.read()
        if hasattr(log, "attach"):
            log.attach(self)
        if row is None:
            return
        numbers = {name: value for name, value in row.items() if not isinstance(value, str)} | columns
        if numbers[LOSS.name] is not None:
            log.log(**numbers)

    def read(self) -> Row | None:
        """Return what the last step measured, by the names of the log's columns, with its `step`; once, then None."""
        if not self._watch.is_over:
            sentence = self._watch.look()
            if sentence is not None:
                self._failures.note(sentence)
        row, self._row = self._row, None
        return row

    def remove(self) -> None:
        """Take the hooks off the optimizer, and say what could not be measured."""
        for hook in self._hooks:
            hook.remove()
        self.tell()

    @property
    def about(self) -> dict[str, str | int]:
        """What a log should say of the measuring: the check, whether by differences, and what failed."""
        check = {} if self._measure.check is None else {CHECK: str(self._measure.check)}
        by = {BY: str(CurvatureBy.DIFFERENCES)} if self._measure.by_differences else {}
        return check | by | self._failures.about

    def tell(self) -> None:
        """Say what could not be measured, if it was not said yet."""
        self._failures.tell()

    def _note_weights(self) -> None:
        self._watch.is_over = True
        self._before = None
        if self.steps_done % self._every:
            return
        with self._failures.boundary():
            trainable = self._trainable_now()
            if [id(p) for p in trainable.values()] != [id(p) for p in self._measure.network.trainable]:
                self._measure = self._measure.successor(trainable)  # something was frozen or thawed
            self._before = [p.detach().clone() for p in trainable.values()]

    def _note_step(self, optimizer: Optimizer) -> None:
        if was_skipped(optimizer):
            return
        step, self.steps_done = self.steps_done, self.steps_done + 1
        if self._before is None:
            return
        before, self._before = self._before, None
        self._failures.n_measured += 1
        critical = _due(step, self._critical_sharpness_every)
        wanted = Wanted(
            directional_curvature=self._directional_curvature,
            critical_sharpness=critical,
            learning_rate=self._learning_rate(optimizer) if critical else math.nan,
            sharpness=_due(step, self._sharpness_every),
            batch_sharpness=_due(step, self._batch_sharpness_every),
            check=self._measure.check is None or _due(self._failures.n_measured - 1, self._check_every),
        )
        self._row = self._measure.row(before, step, wanted)

    def _learning_rate(self, optimizer: Optimizer) -> float:
        with self._failures.boundary():
            return learning_rate_of(optimizer, self._measure.network.trainable)
        return math.nan

    def _trainable_now(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self._module.named_parameters() if p.requires_grad}

    def _trainable(self, optimizer: Optimizer) -> dict[str, nn.Parameter]:
        trainable = self._trainable_now()
        optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in optimized for p in trainable.values()):
            raise TrainingError("optimizer must hold trainable parameters of the module, found none of them in it.")
        return trainable

    def _check_cadences(self) -> None:
        if self._every < 1:
            raise TrainingError(f"every must be at least 1, found {self._every}.")
        for name in ("critical_sharpness_every", "sharpness_every", "batch_sharpness_every"):
            value = getattr(self, f"_{name}")
            if value < 0 or value % self._every:
                raise TrainingError(f"{name} must be 0 or a multiple of every = {self._every}, found {value}.")
        if self._check_every < 0:
            raise TrainingError(f"check_every must be at least 0, found {self._check_every}.")
        if self._samples.n_batches < 1:
            raise TrainingError(f"batch_sharpness_batches must be at least 1, found {self._samples.n_batches}.")


def _outside_inference(note: Callable[[], None]) -> None:
    """Run where derivatives can be recorded, even if the optimizer's step is called in inference mode."""
    with torch.inference_mode(False):
        note()


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
