"""CurvatureProbe: curvature along the updates of a training loop that is the user's own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mstudy.core.errors import TrainingError
from mstudy.core.quantities import BATCH_SHARPNESS, DIRECTIONAL_CURVATURE, LOSS, SHARPNESS
from mstudy.curvature.flat_rows import norms
from mstudy.curvature.measure import Moment, measure_at, sharpness_of_batches
from mstudy.curvature.network import CURVATURE, Evaluation
from mstudy.probe.measuring_mode import measuring_mode, reseed
from mstudy.probe.rounding import survives
from mstudy.probe.user_data import UserData
from mstudy.probe.user_module import Loss, UserModule

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
    * every `sharpness_every` steps `sharpness`, the largest eigenvalue of H, and `sharpness_residual`;
    * every `batch_sharpness_every` steps `batch_sharpness`, the mean of g^T H_B g / ||g||^2 over
      `batch_sharpness_batches` of the `mini_batches`, and its standard error `batch_sharpness_se`.

    module: the plain module (of DistributedDataParallel its `.module`); a compiled one is measured uncompiled, since
    compiled code has no second derivative. loss: (module, batch) -> mean loss of the batch, a scalar; it must call the
    module that it is given. data: the training set or a fixed part of it, as one batch (a tensor, or a tuple, list or
    mapping with tensors) or as batches (a list or loader without shuffling, augmentation or persistent workers); a
    batch's share is its number of samples. mini_batches: batches as training draws them. chunk: samples evaluated at
    once; fewer take less memory. start_step: steps made before, where training goes on from a checkpoint.

    What is measured is a deterministic function of the weights: dropout is off; normalisations that keep running
    statistics use those of the batch at hand if they are in training mode, and do not update them; other randomness
    is drawn alike each time. All is computed in float32 outside autocast (in float64 if a parameter is of float64),
    also where training uses mixed precision: then H is that of the float32 loss at the same weights. TF32 is left as
    you set it. Parameters, `.grad`, buffers, modes, `requires_grad` and torch's random state are left as they were.
    One optimizer must move all that is trained.

    Cost, in gradients of `data`: about 3 for the curvature along the update (5 where `data` is more than one batch or
    chunk), 2 to 3 for each of some 4 to 30 products of the sharpness; benchmarks/logging.md.
    Raises TrainingError or DataError where it cannot measure.

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
        sharpness_every: int = 0,
        batch_sharpness_every: int = 0,
        mini_batches: Any = None,
        batch_sharpness_batches: int = 8,
        chunk: int | None = None,
        start_step: int = 0,
    ) -> None:
        if isinstance(module, _WRAPPERS):
            raise TrainingError(f"module must be the plain module, found {type(module).__name__}; give its .module.")
        self._module: nn.Module = getattr(module, "_orig_mod", module)
        self._loss, self._data = loss, UserData(data)
        self._every, self._sharpness_every = every, sharpness_every
        self._batch_sharpness_every, self._n_batches = batch_sharpness_every, batch_sharpness_batches
        self._check_cadences(mini_batches)
        self._mini_batches = UserData(mini_batches) if batch_sharpness_every else None
        self._chunk = chunk
        self.steps_done = start_step
        self._before: list[Tensor] | None = None
        self._row: dict[str, float | None] | None = None
        self._network = UserModule(self._module, loss, self._trainable(optimizer))
        self._eigenvector: Tensor | None = None
        self._hooks = (
            optimizer.register_step_pre_hook(lambda *_: self._note_weights()),
            optimizer.register_step_post_hook(lambda *_: self._note_step()),
        )

    def log_to(self, log: Log, **columns: float | None) -> None:
        """Log what the last step measured, with columns of your own, as one row; nothing if it measured nothing."""
        row = self.read()
        if row is not None:
            log.log(**row, **columns)  # type: ignore[arg-type]

    def read(self) -> dict[str, float | None] | None:
        """Return what the last step measured, by the names of the log's columns, with its `step`; once, then None."""
        row, self._row = self._row, None
        return row

    def remove(self) -> None:
        """Take the hooks off the optimizer."""
        for hook in self._hooks:
            hook.remove()

    def _note_weights(self) -> None:
        if self.steps_done % self._every:
            return
        trainable = [p for p in self._module.parameters() if p.requires_grad]
        if [id(p) for p in trainable] != [id(p) for p in self._network.trainable]:  # something was frozen or thawed
            self._network, self._eigenvector = UserModule(self._module, self._loss, trainable), None
        self._before = [p.detach().clone() for p in trainable]

    def _note_step(self) -> None:
        if self._before is not None:
            before, self._before = self._before, None
            self._row = {"step": self.steps_done, **self._measure(before)}
        self.steps_done += 1

    def _measure(self, before: list[Tensor]) -> dict[str, float | None]:
        network = self._network
        after = [p.detach() for p in network.trainable]
        w = network.rows(before)
        update = network.rows([new.to(w.dtype) - old.to(w.dtype) for old, new in zip(before, after, strict=True)])
        moves = survives(before, after, [p.grad for p in network.trainable])
        quantities = [LOSS, DIRECTIONAL_CURVATURE] if moves else [LOSS]
        with measuring_mode(self._module, network.dtype, network.device):
            at = network.evaluate(w, self._data, CURVATURE, self._chunk)
            moment = Moment(w, w, update, torch.tensor([moves], device=w.device), torch.zeros_like(w))
            if self._due(self._sharpness_every):
                moment, quantities = self._with_gradient(moment, at), [*quantities, SHARPNESS]
            row: dict[str, float | None] = {
                name: float(value) for name, value in measure_at(moment, at, quantities).items()
            }
            if self._mini_batches is not None and self._due(self._batch_sharpness_every):
                row |= self._batch_sharpness(w, self._mini_batches)
        return {**_null_curvature(row), "update_norm": float(norms(update))}

    def _with_gradient(self, moment: Moment, at: Evaluation) -> Moment:
        """Return what the search for the sharpness begins from: the last eigenvector, and the gradient."""
        if self._eigenvector is None:
            self._eigenvector = torch.zeros_like(moment.w)
        return replace(moment, gradient=at.gradient(), eigenvectors=self._eigenvector)

    def _batch_sharpness(self, w: Tensor, mini_batches: UserData) -> dict[str, float]:
        reseed(self._network.device, self.steps_done)  # a loader that shuffles draws other batches at each step
        drawn = mini_batches.drawn(self._n_batches, self.steps_done)
        evaluations = (self._network.evaluate_batch(w, batch, CURVATURE, self._chunk) for batch in drawn)
        mean, error = sharpness_of_batches(evaluations)
        return dict(zip(BATCH_SHARPNESS.columns, (float(mean), float(error)), strict=True))

    def _due(self, every: int) -> bool:
        return every > 0 and self.steps_done % every == 0

    def _trainable(self, optimizer: Optimizer) -> list[nn.Parameter]:
        trainable = [p for p in self._module.parameters() if p.requires_grad]
        optimized = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not any(id(p) in optimized for p in trainable):
            raise TrainingError("optimizer must hold trainable parameters of the module, found none of them in it.")
        return trainable

    def _check_cadences(self, mini_batches: Any) -> None:
        if self._every < 1:
            raise TrainingError(f"every must be at least 1, found {self._every}.")
        for name in ("sharpness_every", "batch_sharpness_every"):
            value = getattr(self, f"_{name}")
            if value < 0 or value % self._every:
                raise TrainingError(f"{name} must be 0 or a multiple of every = {self._every}, found {value}.")
        if self._batch_sharpness_every and mini_batches is None:
            raise TrainingError("mini_batches must be given for the batch sharpness: batches as training draws them.")
        if self._n_batches < 1:
            raise TrainingError(f"batch_sharpness_batches must be at least 1, found {self._n_batches}.")


def _null_curvature(row: dict[str, float | None]) -> dict[str, float | None]:
    """Return the row with None for a curvature along the update that was not measured or is not finite."""
    curvature = row.get(DIRECTIONAL_CURVATURE.name)
    known = curvature if curvature is not None and math.isfinite(curvature) else None
    return row | {DIRECTIONAL_CURVATURE.name: known}
