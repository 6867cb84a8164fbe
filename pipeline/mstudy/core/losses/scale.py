"""How two losses are compared: by the logarithm of their ratio, or by their difference."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from mstudy.core.series import Series


class Scale(StrEnum):
    """`compare.scale`: a loss that can be 0 or below has no logarithm, and is compared by difference.

    A difference is taken in the unit of its setting: how far the loss fell (runlog.rules.together.loss_fall).
    """

    LOG = "log"
    DIFFERENCE = "difference"


def level_of(loss: Series, scale: Scale) -> Series:
    """Return what is subtracted where losses are compared, (n,): the logarithm, or the loss itself in its unit."""
    match scale:
        case Scale.LOG:
            return np.asarray(np.log(loss))
        case Scale.DIFFERENCE:
            return loss
        case _:
            assert_never(scale)


def has_level(loss: Series, scale: Scale) -> NDArray[np.bool_]:
    """Return which losses can be compared, as `loss` is shaped."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.isfinite(level_of(loss, scale))


def mean_loss(loss: Series, scale: Scale) -> float:
    """Return the geometric mean of losses above 0, (n,), or their mean."""
    match scale:
        case Scale.LOG:
            return float(np.exp(np.log(loss).mean()))
        case Scale.DIFFERENCE:
            return float(loss.mean())
        case _:
            assert_never(scale)
