"""Formulas of theory: effective learning rate, stability line, lag of momentum, terms of the stability law.

What differs between optimizers is in their entries (`core/optimizers.py`); None is returned where an entry says that
the formula is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mstudy.core.optimizers import HEAVY_BALL, optimizer_of
from mstudy.core.quantities import CRITICAL_SHARPNESS, DIRECTIONAL_CURVATURE
from mstudy.core.series import Series


def effective_rate(learning_rate: float, momentum: float, optimizer: str = HEAVY_BALL) -> float:
    """Return the effective learning rate eta_ef = eta/(1 - mu) (Fu et al. 2023, arXiv 2306.09000, section 2).

    It is rounded to six digits, so that 0.1 * (1 - 0.9) / (1 - 0.9) meets 0.1. momentum: at least 0 and below 1.
    Raises ConfigError for an optimizer that is not known.

    Example:
        >>> import mstudy
        >>> mstudy.effective_rate(learning_rate=0.1, momentum=0.9)
        1.0
    """
    return float(f"{learning_rate / optimizer_of(optimizer).rate_divisor(momentum):.6g}")


def learning_rate_at(eta_ef: float, momentum: float, optimizer: str) -> float:
    """Return the learning rate that has this effective learning rate.

    It is rounded to 12 digits: the same text, hence the same run_id, whatever the rounding of 1 - mu.
    """
    return float(f"{eta_ef * optimizer_of(optimizer).rate_divisor(momentum):.12g}")


def stability_line(optimizer: str, learning_rate: float, momentum: float) -> float | None:
    """Return the curvature at which the optimizer stops being stable on a quadratic; None where it is not known.

    2/eta for SGD, 2(1 + mu)/eta for heavy ball, 2(1 + mu)/((1 + 2 mu) eta) for Nesterov, in PyTorch's form of momentum
    without dampening (Cohen et al. 2021, appendix B). momentum: at least 0 and below 1. Raises ConfigError for an
    optimizer that is not known.

    Example:
        >>> import mstudy
        >>> round(mstudy.stability_line("heavy_ball", learning_rate=0.1, momentum=0.9), 9)
        38.0
    """
    line = optimizer_of(optimizer).line
    return None if line is None else line(learning_rate, momentum)


def stability_line_of(run: Mapping[str, Any], quantity: str = DIRECTIONAL_CURVATURE.name) -> float | None:
    """Return the stability line of a run (a row of tables.RUNS) for a quantity of curvature.

    That of the critical sharpness is 2/eta for every optimizer: above it the update that was made raises the loss, by
    definition. Return None also for a branch, because its optimizer changes during training.
    """
    if run["branch_of"] is not None:
        return None
    if quantity == CRITICAL_SHARPNESS.name:
        return 2 / float(run["learning_rate"])
    return stability_line(run["optimizer"], run["learning_rate"], run["momentum"])


def final_lag(optimizer: str, momentum: float) -> float | None:
    """Return by how many updates the optimizer is behind SGD once its velocity is built up."""
    lag = optimizer_of(optimizer).final_lag
    return None if lag is None else lag(momentum)


def equivalent_sgd_step(steps: Series, optimizer: str, momentum: float) -> Series | None:
    """Return the step of SGD that is as far along as the optimizer is after `steps` updates; (n,) to (n,), increasing.

    Under a constant gradient g, s updates of heavy ball move by -eta_ef g (s - mu (1 - mu^s)/(1 - mu)): the sum of
    velocities g (1 - mu^i)/(1 - mu). So the lag grows from 0 to its final value within a few of it; no step at the
    start need be left out.
    """
    lag = final_lag(optimizer, momentum)
    return None if lag is None else steps - lag * (1 - momentum**steps)


def deterministic_share(optimizer: str, momentum: float) -> float | None:
    """Return m(mu) of the stability law: full batch bears 1/m times the eta_ef of plain SGD."""
    share = optimizer_of(optimizer).deterministic_share
    return None if share is None else share(momentum)


def batch_noise(batch_size: int, n_train: int | None) -> float:
    """Return rho(b) / rho(1): 1/b, or without replacement (n - b) / (b (n - 1)), which is 0 at full batch."""
    if n_train is None or n_train < 2:
        return 1 / batch_size
    return max(n_train - batch_size, 0) / (batch_size * (n_train - 1))
