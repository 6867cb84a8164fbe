"""The optimizers that the study knows: one entry each, with its names and what theory says of it.

A new optimizer is one entry here and one in `train/ensemble/update_rule.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from mstudy.core.errors import ConfigError, shown

SGD, HEAVY_BALL, NESTEROV = "sgd", "heavy_ball", "nesterov"


@dataclass(frozen=True)
class Optimizer:
    """One update rule, in PyTorch's convention, without dampening.

    rate_divisor: (momentum) -> what the learning rate is divided by to give the effective learning rate.
    line: (learning rate, momentum) -> curvature at which a quadratic stops being stable.
    final_lag: (momentum) -> updates by which it is behind SGD of the same effective learning rate in the long run.
    deterministic_share: (momentum) -> m of the stability law: full batch bears 1/m times SGD's effective learning rate.
    None means that the formula is not known; what rests on it is then left out, and a status says so.
    """

    name: str  # as logs say it
    label: str  # as charts say it
    other_names: tuple[str, ...]  # in the logs of other tools
    has_momentum: bool
    rate_divisor: Callable[[float], float]
    line: Callable[[float, float], float] | None
    line_text: str  # the same formula for readers; empty where it is not known
    final_lag: Callable[[float], float] | None
    deterministic_share: Callable[[float], float] | None


OPTIMIZERS = (
    Optimizer(
        name=SGD,
        label="SGD",
        other_names=("gd", "vanilla_sgd", "gradientdescent", "gradientdescentoptimizer"),
        has_momentum=False,
        rate_divisor=lambda mu: 1.0,
        line=lambda eta, mu: 2 / eta,
        line_text="2/η",
        final_lag=lambda mu: 0.0,
        deterministic_share=lambda mu: 1.0,
    ),
    Optimizer(
        name=HEAVY_BALL,
        label="SGDM",
        other_names=(
            *("sgdm", "sgd_m", "momentum", "heavyball", "sgd_momentum", "sgd_with_momentum", "momentum_sgd"),
            "momentumoptimizer",
        ),
        has_momentum=True,
        rate_divisor=lambda mu: 1 - mu,
        line=lambda eta, mu: 2 * (1 + mu) / eta,
        line_text="2(1+μ)/η",
        final_lag=lambda mu: mu / (1 - mu),
        deterministic_share=lambda mu: (1 - mu) / (1 + mu),
    ),
    Optimizer(
        name=NESTEROV,
        label="Nesterov",
        other_names=("nag", "sgd_nesterov", "nesterov_sgd", "sgd_nag"),
        has_momentum=True,
        rate_divisor=lambda mu: 1 - mu,
        line=lambda eta, mu: 2 * (1 + mu) / eta / (1 + 2 * mu),
        line_text="2(1+μ)/((1+2μ)η)",
        final_lag=lambda mu: mu**2 / (1 - mu),
        deterministic_share=lambda mu: (1 - mu) / (1 + mu) * (1 + 2 * mu),
    ),
)
_BY_NAME = {optimizer.name: optimizer for optimizer in OPTIMIZERS}
_NAMES_ELSEWHERE = {other: each.name for each in OPTIMIZERS for other in (each.name, *each.other_names)}


def optimizer_of(name: str) -> Optimizer:
    """Return the entry of that name. Raise ConfigError for a name that no entry has."""
    if name not in _BY_NAME:
        raise ConfigError(f"optimizer must be one of {', '.join(_BY_NAME)}, found {shown(name)}.")
    return _BY_NAME[name]


def is_optimizer(name: object) -> TypeGuard[str]:
    """Return whether an entry has that name."""
    return isinstance(name, str) and name in _BY_NAME


def name_of_optimizer(other_name: str) -> str | None:
    """Return the name of the optimizer that another tool calls `other_name`, or None where no entry lists it."""
    return _NAMES_ELSEWHERE.get(other_name)


def implied_optimizer(momentum: float, nesterov: bool = False) -> str:
    """Return the optimizer meant where only a momentum is given: SGD for 0, else heavy ball, or Nesterov if so set."""
    with_momentum = NESTEROV if nesterov else HEAVY_BALL
    return with_momentum if momentum > 0 else SGD
