"""What the rules of taylor_rules.py and taylor_normalisation.py share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Moved = Tensor | None  # None: it stands still
Motion = Callable[[Any], Moved]  # of any argument of a call
Pull = Callable[[], Tensor]  # the cotangent of the call's output
Rule = Callable[..., tuple[Any, Moved]]
STILL: tuple[Moved, Moved] = (None, None)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum the products over all elements. torch sums by halves, so float32 is enough."""
    return (a * b).sum()


def total(*parts: Moved) -> Moved:
    """Return the sum of those that move, None where none does."""
    there = [part for part in parts if part is not None]
    return sum(there[1:], there[0]) if there else None
