"""The space that a search for eigenvalues spans: its vectors, their images, and what the Hessian is inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import inner, new_rows, norms
from mstudy.curvature.matmul import multiply

_GRADIENT_SHARE = 0.3  # of the direction `beside`, in the second vector of the search
_CHANCE_SHARE = 0.1  # of the direction `chance` there
ROUNDING_UNITS = 10.0  # times the precision of a number: a smaller residual is only rounding


@dataclass(frozen=True)
class Space:
    """What has been multiplied, filled in place. basis, images: (n_members, limit, n_parameters).

    inside: (n_members, limit, limit), products of the two, the lower triangle alone. scale: (n_members,), the longest
    image.
    """

    basis: Tensor
    images: Tensor
    inside: Tensor
    scale: Tensor


def empty_space(start: Tensor, limit: int) -> Space:
    n_members, n_parameters = start.shape
    basis, images = (start.new_empty(n_members, limit, n_parameters) for _ in range(2))
    inside = start.new_zeros(n_members, limit, limit, dtype=torch.float64)
    return Space(basis, images, inside, start.new_zeros(n_members, dtype=torch.float64))


def multiply_next(space: Space, product: Callable[[Tensor], Tensor], k: int) -> Tensor | None:
    """Add the image of the k-th vector. Return which members have blown up, (n_members,); None where none has."""
    image = space.images[:, k].copy_(product(space.basis[:, k]))
    length = norms(image)
    finite = torch.isfinite(length)
    blown_up = None
    if not bool(finite.all()):  # a member that has blown up has no eigenvalue to wait for
        blown_up = ~finite
        image[blown_up], length = 0, length.nan_to_num(0.0, 0.0)
    space.inside[:, k, : k + 1] = _inside(space.basis[:, : k + 1], image)[:, :, 0]
    space.inside[:, k, k] = inner(image, space.basis[:, k])
    torch.maximum(space.scale, length, out=space.scale)
    return blown_up


def begin(start: Tensor, beside: Tensor, chance: Tensor | None, second: Tensor | None, basis: Tensor) -> Tensor:
    """Write the first vector of the basis; return the second one, or zeros where it does not leave the first.

    Without an earlier search the first one is the direction `beside` with a share of `chance`, the second is `chance`.
    """
    chance = torch.zeros_like(start) if chance is None else chance
    mixed = torch.add(_unit(beside) * _GRADIENT_SHARE, chance, alpha=_CHANCE_SHARE)
    cold = (norms(start) == 0)[:, None]
    first = _unit(torch.where(cold, mixed, start), out=basis[:, 0])
    other = torch.where(cold, chance, mixed if second is None else _unit(second) + mixed)
    before = norms(other)
    for _ in range(2):
        _remove(basis[:, :1], other)
    remains = norms(other) > ROUNDING_UNITS * torch.finfo(first.dtype).eps * before
    return torch.where(remains[:, None], other, 0)


def append(basis: Tensor, place: int, direction: Tensor) -> None:
    """Write what the direction has beside the vectors before that place, which overwrites it, as the next of them."""
    _remove(basis[:, :place], direction)
    _unit(direction, out=basis[:, place])


def ritz_pair(space: Space, values: Tensor, vectors: Tensor, place: int) -> tuple[Tensor, Tensor]:
    """Return one of the vectors that the space offers, v, and what H v - value v is.

    A member's sum has as many terms as the member had products. With zeros for the products that only others needed, it
    would depend on them: a matrix product is rounded in an order that follows from the number of its terms.
    """
    n_members, n_terms = values.shape
    coefficients = new_rows(n_members, (1, n_terms), space.basis)
    coefficients[:, 0] = vectors[:, :, place].to(space.basis.dtype)
    vector, image = (
        multiply(coefficients, rows[:, :n_terms], torch.empty_like(rows[:, :1])) for rows in (space.basis, space.images)
    )
    image.sub_(vector * values[:, place, None, None].to(space.basis.dtype))
    return vector[:, 0], image[:, 0]


def _inside(basis: Tensor, image: Tensor) -> Tensor:
    """Return the inner products of the image with the basis (n_members, k, n_parameters), (n_members, k, 1)."""
    return multiply(basis, image[:, :, None], new_rows(len(basis), (basis.shape[1], 1), image))


def _remove(basis: Tensor, image: Tensor) -> None:
    """Take from the image its part in the span of the basis (n_members, k, n_parameters)."""
    inside = _inside(basis, image)
    image.sub_(multiply(inside.transpose(1, 2), basis, torch.empty_like(image)[:, None])[:, 0])


def _unit(rows: Tensor, out: Tensor | None = None) -> Tensor:
    """Return each row of norm 1, or 0 where it is 0."""
    lengths = norms(rows).to(rows.dtype).clamp_min(torch.finfo(rows.dtype).tiny)
    return torch.div(rows, lengths[:, None], out=out)
