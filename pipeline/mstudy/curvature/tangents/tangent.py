"""Tangents and cotangents: what the rules of all operations share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Tangent = Tensor | None  # the first derivative of a tensor along the line; None: zero
TangentOf = Callable[[Any], Tangent]  # from any argument of a call to its tangent
Cotangent = Callable[[], Tensor]  # gives the derivative of the loss in the output of a call
Terms = tuple[Tangent, Tangent]  # the tangent of the output, and the second-order term, (); None: zero
Rule = Callable[..., tuple[Any, Tangent]]  # as Terms; an operation with several outputs has a tuple of tangents
ZERO: Terms = (None, None)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum the products over all elements. torch sums by halves, so float32 is enough."""
    return (a * b).sum()


def dot_in_place(a: Tensor, b: Tensor) -> Tensor:
    """Return the same where nobody needs `a` any more."""
    return a.mul_(b).sum()


def total(*tangents: Tangent) -> Tangent:
    """Return the sum of the tangents."""
    nonzero = [tangent for tangent in tangents if tangent is not None]
    return sum(nonzero[1:], nonzero[0]) if nonzero else None
