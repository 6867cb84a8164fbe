"""What is measured at one step of a user's training, with all foreign code behind one boundary."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from mstudy.core.errors import MstudyError, TrainingError
from mstudy.core.quantities import (
    BATCH_SHARPNESS,
    CRITICAL_SHARPNESS,
    DIRECTIONAL_CURVATURE,
    LOSS,
    SHARPNESS,
    Quantity,
)
from mstudy.core.statuses import CurvatureBy, CurvatureCheck
from mstudy.curvature.flat_rows import chance_rows
from mstudy.curvature.measure import Moment, measure_at, sharpness_of_batches
from mstudy.curvature.network import CURVATURE, Evaluation
from mstudy.probe.checks.second_differences import Comparison, SecondDifference, compared, judged
from mstudy.probe.differences import DifferenceEvaluation
from mstudy.probe.failures import Failures, NoSecondDerivative, say, sentence_of, undifferentiable
from mstudy.probe.rounding import clearly_survives, length, survives
from mstudy.probe.user_data import UserData
from mstudy.probe.user_module import Loss, UserModule
from mstudy.probe.wanted import Wanted
from mstudy.probe.without_trace.random_states import reseed
from mstudy.probe.without_trace.swapped_tensors import as_real

Row = dict[str, float | str | None]
BY, ERROR = "curvature_by", "curvature_error"
_KAPPA, _LOSS, _UPDATE = DIRECTIONAL_CURVATURE.name, LOSS.name, "update_norm"
Evaluate = Callable[[UserModule, Tensor, UserData, int], Evaluation]


@dataclass(frozen=True)
class Samples:
    """data: what H is of. mini_batches, n_batches: what the batch sharpness is of. chunk: samples seen at once."""

    data: UserData
    mini_batches: UserData | None
    n_batches: int
    chunk: int | None


@dataclass(frozen=True)
class UserMoment(Moment):
    """length: of the update."""

    length: float


class RowMeasure:
    """Measures a module and its loss at weights that training has left, in all `trainable` parameters."""

    def __init__(
        self, module: nn.Module, loss: Loss, trainable: dict[str, nn.Parameter], samples: Samples, failures: Failures
    ) -> None:
        self._module, self._loss = module, loss
        self.network = UserModule(module, loss, trainable)
        self._double = UserModule(module, loss, trainable, torch.float64)
        self._samples, self._failures = samples, failures
        self._eigenvectors: Tensor | None = None
        self._critical_rate: Tensor | None = None
        self._runs_in_double = True
        self._refused: str | None = None  # why no curvature of this loss is right
        self.by_differences = False
        self.check: CurvatureCheck | None = None

    def successor(self, trainable: dict[str, nn.Parameter]) -> RowMeasure:
        """Return what goes on when other parameters are trainable."""
        other = RowMeasure(self._module, self._loss, trainable, self._samples, self._failures)
        other._refused, other.by_differences, other.check = self._refused, self.by_differences, self.check
        return other

    def row(self, before: list[Tensor], step: int, wanted: Wanted) -> Row:
        """Return the row of the step that moved the weights from `before`; None where there is no value."""
        row: Row = {"step": step, _LOSS: None, _UPDATE: None, **wanted.curvatures}
        with self._failures.boundary():
            self._fill(row, before, step, wanted)
            return row
        # What a measurement that failed has left of these is not to be trusted.
        return {name: value for name, value in row.items() if name not in (BY, ERROR)} | wanted.curvatures

    def _fill(self, row: Row, before: list[Tensor], step: int, wanted: Wanted) -> None:
        moment = self._moment(self.network, before)
        row[_UPDATE] = moment.length
        if not self.by_differences:
            self._fill_exactly(row, moment, step, wanted)
        if self.by_differences:
            self._fill_by_differences(row, before, step, wanted)
        elif wanted.check and row.get(_KAPPA) is not None:
            self._judge(row, before, step, wanted)
        if self._refused is not None:
            raise TrainingError(self._refused)

    def _moment(self, network: UserModule, before: list[Tensor]) -> UserMoment:
        after = [p.detach() for p in network.trainable]
        w = network.rows(before)
        update = network.rows(after).sub_(w)
        norm = length(update[0])
        moves = clearly_survives(w[0], norm, {as_real(p).dtype for p in after})
        if not moves:
            gradients = [None if p.grad is None else as_real(p.grad) for p in network.trainable]
            moves = survives([as_real(p) for p in before], [as_real(p) for p in after], gradients)
        moved, none = torch.tensor([moves], device=w.device), w.new_empty(0)
        return UserMoment(w, w, update, moved, none, none, none, none, norm)

    def _fill_exactly(self, row: Row, moment: UserMoment, step: int, wanted: Wanted) -> None:
        try:
            with self.network.measuring():
                self._measure(row, self.network, moment, step, wanted, self._evaluated)
        except Exception as error:
            if not isinstance(error, NoSecondDerivative) and undifferentiable(error) is None:
                raise
            self._take_differences(sentence_of(error))

    def _evaluated(self, network: UserModule, w: Tensor, data: UserData, order: int) -> Evaluation:
        return network.evaluate(w, data, order, self._samples.chunk)

    def _measure(
        self, row: Row, network: UserModule, moment: UserMoment, step: int, wanted: Wanted, evaluate: Evaluate
    ) -> None:
        """Fill the row; what was found before something fails stays."""
        samples, moves = self._samples, bool(moment.moves)
        at = evaluate(network, moment.w, samples.data, wanted.order)
        self._put(row, moment, at, LOSS)
        past_module = network.connections.past_module()
        if past_module is not None:
            row[_LOSS] = None
            raise TrainingError(past_module)
        if wanted.sharpness:
            self._put(row, self._with_gradient(moment, at), at, SHARPNESS)
        if moves and wanted.directional_curvature:
            kappa = float(at.curvature_along(moment.update / moment.length))
            row[_KAPPA] = kappa if math.isfinite(kappa) else None
        if moves and wanted.critical_sharpness and math.isfinite(wanted.learning_rate):
            self._put(row, self._with_rates(moment, wanted.learning_rate), at, CRITICAL_SHARPNESS)
        cut_off = network.connections.cut_off([p.grad for p in network.trainable])
        if cut_off is not None and wanted.order == CURVATURE:  # a forward pass sees what no derivative does
            raise TrainingError(cut_off)
        if wanted.batch_sharpness and samples.mini_batches is not None:
            reseed(network.device, step)  # a loader that shuffles draws other batches at each step
            drawn = samples.mini_batches.drawn(samples.n_batches, step)
            found = sharpness_of_batches(
                evaluate(network, moment.w, samples.mini_batches.of_one(b), CURVATURE) for b in drawn
            )
            row |= zip(BATCH_SHARPNESS.columns, map(float, found), strict=True)

    def _put(self, row: Row, moment: Moment, at: Evaluation, quantity: Quantity) -> None:
        for column, value in measure_at(moment, at, [quantity]).items():
            row[column] = float(value) if column not in CRITICAL_SHARPNESS.columns or math.isfinite(value) else None

    def _with_gradient(self, moment: Moment, at: Evaluation) -> Moment:
        """Return what the search for the sharpness begins from: the last one's end, gradient and chance."""
        if self._eigenvectors is None or self._eigenvectors.dtype != moment.w.dtype:
            self._eigenvectors = moment.w.new_zeros(len(moment.w), 2 * moment.w.shape[1])
        chance = chance_rows(self.network.n_parameters, moment.w)
        return replace(moment, gradient=at.gradient(), eigenvectors=self._eigenvectors, chance=chance)

    def _with_rates(self, moment: Moment, learning_rate: float) -> Moment:
        """Return what the search for the critical sharpness begins from: this learning rate, the last critical one."""
        rate = torch.full((1,), learning_rate, dtype=torch.float64, device=moment.w.device)
        if self._critical_rate is None:
            self._critical_rate = torch.full_like(rate, torch.nan)
        return replace(moment, learning_rates=rate, critical_rates=self._critical_rate)

    def _take_differences(self, sentence: str) -> None:
        self.by_differences = True
        say(f"{sentence} Until then curvatures are differences of gradients.")

    def _fill_by_differences(self, row: Row, before: list[Tensor], step: int, wanted: Wanted) -> None:
        """Fill the row in float64 where the module runs in it, else in its own precision."""
        of_data: list[DifferenceEvaluation] = []

        def evaluate(network: UserModule, w: Tensor, data: UserData, order: int) -> Evaluation:
            of_data.append(DifferenceEvaluation(partial(self._at_order, network, data), w))
            return of_data[-1]

        self._in_double(
            lambda network: self._measure(row, network, self._moment(network, before), step, wanted, evaluate)
        )
        row |= {BY: CurvatureBy.DIFFERENCES, ERROR: None if row.get(_KAPPA) is None else of_data[0].error}

    def _at_order(self, network: UserModule, data: UserData, w: Tensor, order: int) -> Evaluation:
        return network.evaluate(w, data, order, self._samples.chunk)

    def _in_double(self, measure: Callable[[UserModule], None]) -> None:
        """Measure in float64 if the module runs in it."""
        if self._runs_in_double:
            try:
                with self._double.measuring():
                    measure(self._double)
                return
            except MstudyError:
                raise
            except Exception:  # foreign code may name float32
                self._runs_in_double = False
        with self.network.measuring():
            measure(self.network)

    def _judge(self, row: Row, before: list[Tensor], step: int, wanted: Wanted) -> None:
        """Compare the curvature with second differences; where they say that it is wrong, take other ones."""
        found: list[Comparison] = []
        kappa = float(row[_KAPPA] or 0.0)
        try:
            self._in_double(
                lambda network: found.append(
                    compared(kappa, network, self._moment(network, before), self._samples.data, self._samples.chunk)
                )
            )
        except Exception:  # the check is no part of the row
            found = []
        outcome = found[0].outcome if found else CurvatureCheck.UNDECIDED
        seen = self.network.connections
        if outcome == CurvatureCheck.FAILED and seen.has_kinks and not seen.functions:
            outcome = CurvatureCheck.UNDECIDED  # many kinks close together curve the loss, where no derivative sees it
        if self.check != CurvatureCheck.FAILED:
            self.check = outcome
        if outcome == CurvatureCheck.FAILED:
            self._replace(row, before, step, wanted, found[0].difference)

    def _replace(self, row: Row, before: list[Tensor], step: int, wanted: Wanted, difference: SecondDifference) -> None:
        """Go on by differences of gradients, if these agree with those of the loss; else without curvatures."""
        functions = ", ".join(sorted(self.network.connections.functions)) or "the module and the loss"
        sentence = (
            f"The curvature along the update must agree with second differences of the loss, found {row[_KAPPA]:.6g} "
            f"where these give {difference.value:.6g}; look for what no derivative sees, as .detach(), .data or "
            f"torch.no_grad(), in {functions}."
        )
        row.update(wanted.curvatures)
        self._fill_by_differences(row, before, step, wanted)
        if judged([float(row[_KAPPA] or 0.0)], difference) == CurvatureCheck.PASSED:
            self._take_differences(sentence)
        else:
            self._refused = sentence
