"""The learning rate of a step of a user's optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer

from mstudy.core.errors import TrainingError


def learning_rate_of(optimizer: Optimizer, trainable: Iterable[nn.Parameter]) -> float:
    """Return the one learning rate of all groups with trainable parameters.

    Raises TrainingError where they have several, or none that is a number above 0.
    """
    measured = {id(p) for p in trainable}
    groups = [group for group in optimizer.param_groups if any(id(p) in measured for p in group["params"])]
    given = [group.get("lr") for group in groups]  # None of optimizers that choose it themselves
    rates = sorted({float(rate) for rate in given if rate is not None})
    if len(rates) != 1 or None in given or not 0 < rates[0] < math.inf:
        found = [f"{rate:.12g}" for rate in rates] + ["None"] * (None in given)
        raise TrainingError(
            "The optimizer must have one learning rate above 0 (`lr`) for all trainable parameters for the critical "
            f"sharpness, found {', '.join(found) or 'no parameter'}; give its groups one, or leave "
            "critical_sharpness_every at 0."
        )
    return rates[0]
