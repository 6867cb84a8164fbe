"""The space that a search for eigenvalues spans: its vectors, their images, and what the Hessian is inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mstudy.curvature.flat_rows import inner, new_rows, norms
from mstudy.curvature.matmul import multiply

_GRADIENT_SHARE = 0.3  # of the direction `beside`, in the second vector of the search
_CHANCE_SHARE = 0.1  # of the direction `chance` there
ROUNDING_UNITS = 10.0  # times the precision of a number: a smaller residual is only rounding


# A number or a yes of each member, (n_members,), in the processor's memory: deciding in NumPy takes a fraction of the
# time that as many calls of torch take.
OfMembers = NDArray[Any]


@dataclass(frozen=True)
class Space:
    """What has been multiplied, filled in place. basis, images: (n_members, limit, n_parameters).

    inside: (n_members, limit, limit), products of the two, the lower triangle alone; 0 where one overflows. sums:
    (n_members, limit), room for the numbers of a sum over the basis. scale: (n_members,), the longest image.
    """

    basis: Tensor
    images: Tensor
    inside: OfMembers
    sums: Tensor
    scale: OfMembers


def empty_space(start: Tensor, limit: int) -> Space:
    n_members, n_parameters = start.shape
    basis, images = (start.new_empty(n_members, limit, n_parameters) for _ in range(2))
    return Space(
        basis, images, np.zeros((n_members, limit, limit)), new_rows(n_members, (limit,), start), np.zeros(n_members)
    )


def multiply_next(space: Space, product: Callable[[Tensor], Tensor], k: int) -> OfMembers:
    """Add the image of the k-th vector. Return which members have blown up."""
    image = space.images[:, k].copy_(product(space.basis[:, k]))
    length = lengths(image)
    blown_up: OfMembers = ~np.isfinite(length)
    if blown_up.any():  # a member that has blown up has no eigenvalue to wait for
        image.copy_(chosen(~blown_up, image, torch.zeros_like(image)))
        length[blown_up] = 0
    inside = _inside(space, k + 1, image).double().cpu().numpy()
    inside[:, k] = inner(image, space.basis[:, k]).cpu().numpy()
    space.inside[:, k, : k + 1] = np.where(np.isfinite(inside), inside, 0)
    np.maximum(space.scale, length, out=space.scale)
    return blown_up


def begin(
    space: Space, start: Tensor, warm: OfMembers, beside: Tensor, chance: Tensor | None, second: Tensor | None
) -> tuple[Tensor, OfMembers]:
    """Write the first vector of the basis; return the second one, and whether it leaves the first: else it is zero.

    Without an earlier search the first one is the direction `beside` with a share of `chance`, the second is `chance`.
    """
    chance = torch.zeros_like(start) if chance is None else chance
    mixed = torch.add(_unit(beside) * _GRADIENT_SHARE, chance, alpha=_CHANCE_SHARE)
    _unit(chosen(warm, start, mixed), out=space.basis[:, 0])
    other = chosen(warm, mixed if second is None else _unit(second) + mixed, chance)
    before = lengths(other)
    for _ in range(2):
        _remove(space, 1, other)
    remains: OfMembers = lengths(other) > ROUNDING_UNITS * torch.finfo(other.dtype).eps * before
    return chosen(remains, other, torch.zeros_like(other)), remains


def append(space: Space, place: int, direction: Tensor) -> None:
    """Write what the direction has beside the vectors before that place, which overwrites it, as the next of them."""
    _remove(space, place, direction)
    _unit(direction, out=space.basis[:, place])


def ritz_pair(space: Space, values: Tensor, vectors: Tensor, place: int) -> tuple[Tensor, Tensor]:
    """Return one of the vectors that the space offers, v, and what H v - value v is.

    A member's sum has as many terms as the member had products. With zeros for the products that only others needed, it
    would depend on them: a matrix product is rounded in an order that follows from the number of its terms.
    """
    coefficients = space.sums[:, : values.shape[1]].copy_(vectors[:, :, place])
    vector, image = (_sum_of(rows, coefficients) for rows in (space.basis, space.images))
    image.sub_(vector * values[:, place, None].to(vector.dtype))
    return vector, image


def lengths(rows: Tensor) -> OfMembers:
    """Return the Euclidean norm of each row."""
    found: OfMembers = norms(rows).cpu().numpy()
    return found


def chosen(yes: OfMembers, rows: Tensor, others: Tensor) -> Tensor:
    """Return the one or the other row of each member; the rows themselves where all are chosen."""
    if yes.all():
        return rows
    return torch.where(torch.from_numpy(yes).to(rows.device)[:, None], rows, others)


def _inside(space: Space, n_terms: int, image: Tensor) -> Tensor:
    """Return the inner products of the image with the first of the basis, (n_members, n_terms), in `sums`."""
    inside = space.sums[:, :n_terms]
    multiply(space.basis[:, :n_terms], image[:, :, None], inside[:, :, None])
    return inside


def _remove(space: Space, n_terms: int, image: Tensor) -> None:
    """Take from the image its part in the span of the first of the basis."""
    image.sub_(_sum_of(space.basis, _inside(space, n_terms, image)))


def _sum_of(rows: Tensor, coefficients: Tensor) -> Tensor:
    """Return a sum of the first rows of each member, (n_members, n_parameters)."""
    out = rows.new_empty(rows.shape[0], 1, rows.shape[2])
    return multiply(coefficients[:, None], rows[:, : coefficients.shape[1]], out)[:, 0]


def _unit(rows: Tensor, out: Tensor | None = None) -> Tensor:
    """Return each row of norm 1, or 0 where it is 0."""
    divisors = norms(rows).to(rows.dtype).clamp_min_(torch.finfo(rows.dtype).tiny)
    return torch.div(rows, divisors[:, None], out=out)
