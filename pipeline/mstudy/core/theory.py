"""Formulas of theory: effective learning rate, stability line, lag of momentum, terms of the stability law."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mstudy.core.optimizers import HEAVY_BALL, NESTEROV, SGD
from mstudy.core.series import Series


def stability_line(optimizer: str, learning_rate: float, momentum: float) -> float:
    """2/eta (SGD), 2 (1 + mu)/eta (heavy ball), 2 (1 + mu)/((1 + 2 mu) eta) (Nesterov).

    PyTorch's form of momentum, no dampening.
    """
    if optimizer == SGD:
        return 2 / learning_rate
    line = 2 * (1 + momentum) / learning_rate
    return line if optimizer == HEAVY_BALL else line / (1 + 2 * momentum)


def line_of(run: Mapping[str, Any]) -> float | None:
    """Of a run, a row of tables.RUNS; None of a branch, which goes on by another rule than its keys say."""
    if run["branch_of"] is not None:
        return None
    return stability_line(run["optimizer"], run["learning_rate"], run["momentum"])


def final_lag(momentum: float, optimizer: str) -> float:
    """Updates by which SGDM trails SGD once its velocity is built up: mu/(1-mu); Nesterov's form mu^2/(1-mu)."""
    return momentum ** (2 if optimizer == NESTEROV else 1) / (1 - momentum)


def sgd_clock(steps: Series, momentum: float, optimizer: str) -> Series:
    """The step of SGD that is as far along as SGDM is after `steps` updates; (n,) to (n,), increasing.

    Under a constant gradient g, s updates of heavy ball move by -eta_ef g (s - mu (1 - mu^s)/(1 - mu)): the sum of
    velocities g (1 - mu^i)/(1 - mu). So the lag grows from 0 to its final value within a few of it; no step at the
    start need be left out.
    """
    return steps - final_lag(momentum, optimizer) * (1 - momentum**steps)


def deterministic_share(optimizer: str, momentum: float) -> float:
    """m(mu): 1/m is the factor by which full batch bears a larger eta_ef than plain SGD."""
    m = (1 - momentum) / (1 + momentum)
    return m * (1 + 2 * momentum) if optimizer == NESTEROV else m


def batch_noise(batch_size: int, n_train: int | None) -> float:
    """rho(b) / rho(1): 1/b, and for sampling without replacement (n - b) / (b (n - 1)), 0 at full batch."""
    if n_train is None or n_train < 2:
        return 1 / batch_size
    return max(n_train - batch_size, 0) / (batch_size * (n_train - 1))


def _learning_rate(eta_ef: float, mu: float) -> float:
    """To 12 digits: the same text, hence the same run_id, whatever the rounding of 1 - mu."""
    return float(f"{eta_ef * (1 - mu):.12g}")
