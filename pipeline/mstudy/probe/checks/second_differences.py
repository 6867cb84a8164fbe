"""A curvature against second differences of the loss, which know nothing of derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from mstudy.core.statuses import CurvatureCheck
from mstudy.curvature.measure import Moment, unit
from mstudy.curvature.network import CURVATURE, LOSS
from mstudy.probe.user_data import UserData
from mstudy.probe.user_module import UserModule

_STEPS = tuple(10 ** (-k / 2) for k in range(12))  # 1 to 3e-6, along a direction of length 1
_ROUNDING_UNITS = 40.0  # of the loss: error of a second difference, times the square of the step
_CLOSE = 0.01  # two numbers closer than this agree
_SURE = 0.03  # an error below this share decides
_ERRORS = 3.0  # times its error bound, a difference is beyond chance


@dataclass(frozen=True)
class SecondDifference:
    """value: of the second derivative along a line. error: at most, where steps of three lengths agree; else inf."""

    value: float
    error: float


@dataclass(frozen=True)
class Comparison:
    """What second differences say, and of what they were compared with."""

    outcome: CurvatureCheck
    difference: SecondDifference


def compared(kappa: float, network: UserModule, moment: Moment, data: UserData, chunk: int | None) -> Comparison:
    """Compare `kappa`, the curvature along the update, with the loss beside the weights, inside `network.measuring`.

    The network may be of a higher precision than `kappa`; its own curvature then tells rounding from a fault.
    """
    direction = unit(moment.update)

    def loss_at(place: float) -> float:
        with torch.no_grad():
            return float(network.evaluate(moment.w + place * direction, data, LOSS, chunk).loss)

    difference = second_difference(loss_at, torch.finfo(network.dtype).eps)
    outcome = judged([kappa], difference)
    if outcome == CurvatureCheck.FAILED:
        own = network.evaluate(moment.w, data, CURVATURE, chunk).curvature_along(direction)
        outcome = judged([kappa, float(own)], difference)
    return Comparison(outcome, difference)


def second_difference(loss_at: Callable[[float], float], eps: float) -> SecondDifference:
    """Take the length of the step at which three lengths agree best. loss_at: place on the line -> loss."""
    middle = loss_at(0.0)
    differences = [_difference(loss_at, middle, step, eps) for step in _STEPS]
    best = SecondDifference(math.nan, math.inf)
    for first, second, third in zip(differences, differences[1:], differences[2:], strict=False):
        spread = max(abs(first.value - second.value), abs(second.value - third.value))
        error = spread + second.error
        if math.isfinite(error) and error < best.error:
            best = SecondDifference(second.value, error)
    return best


def judged(curvatures: list[float], by_differences: SecondDifference) -> CurvatureCheck:
    """Compare: any of the curvatures, computed in several precisions, may be the one that agrees."""
    value, error = by_differences.value, by_differences.error
    if not math.isfinite(error):
        return CurvatureCheck.UNDECIDED
    allowed = max(_CLOSE * abs(value), _ERRORS * error)
    if error <= _SURE * max(abs(value), *map(abs, curvatures)):
        return CurvatureCheck.PASSED if any(abs(c - value) <= allowed for c in curvatures) else CurvatureCheck.FAILED
    return CurvatureCheck.UNDECIDED


def _difference(loss_at: Callable[[float], float], middle: float, step: float, eps: float) -> SecondDifference:
    ahead, behind = loss_at(step), loss_at(-step)
    size = max(abs(ahead), abs(behind), abs(middle))
    return SecondDifference((ahead - 2 * middle + behind) / step**2, _ROUNDING_UNITS * eps * size / step**2)
