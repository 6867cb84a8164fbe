"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import inner, new_rows, norms
from mstudy.curvature.matmul import multiply

_GRADIENT_SHARE = 0.3  # of the direction `beside`, in the second vector of the search
_CHANCE_SHARE = 0.1  # of the direction `chance` there
_RELATIVE_ERROR = 0.001  # of the eigenvalue
_COLD_PRODUCTS, _COLD_RESIDUAL = 20, 0.003  # of a search that starts from no earlier vector
_ROUNDING_UNITS = 10.0  # times the precision of a number: a smaller residual is only rounding


@dataclass(frozen=True)
class TopEigenpair:
    """value: (n_members,) largest (not largest absolute) eigenvalue. vector: (n_members, n_parameters), unit norm.

    residual: (n_members,) ||H v - value v||. Some eigenvalue lies within it; the error of `value` itself is of the
    order residual^2 / (gap to the next eigenvalue). second: what was found of the second eigenvector, or zeros. The
    next search should start from both, since the two may trade places.
    """

    value: Tensor
    vector: Tensor
    residual: Tensor
    second: Tensor


def top_eigenpair(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    beside: Tensor,
    chance: Tensor | None = None,
    second: Tensor | None = None,
    max_products: int = 40,
    min_products: int = 6,
    relative_residual: float = 0.015,
) -> TopEigenpair:
    """Find the largest eigenvalue by Davidson's method, without a preconditioner; Saad (2011), section 8.4.

    product: v -> H v on (n_members, n_parameters). start, second: same shape; the two vectors of an earlier search,
    which save most of the work, or zeros. beside: a direction that leans to the sharp ones, as the gradient does; a
    share of it is mixed in, since an eigenvector that has been overtaken by another would by itself be found again, its
    residual small. chance: a random direction, a share of which is mixed in: the loss of a symmetric network keeps the
    others in a subspace that need not hold the largest eigenvalue.
    The search begins with `start`, and with the sum of the others. Each further product is one of the residual of the
    largest eigenvalue; where that is small already, of the residual of the second one.
    A member is done when its residual is at most `relative_residual` times its eigenvalue, after `min_products`
    products at least and `max_products` at most; the residual says which. Without an earlier start it searches for
    longer. What a member gets does not depend on when the others are done. Where all starts are zero there is nothing
    to search from: NaN.
    """
    n_members, n_parameters = start.shape
    limit = min(max_products, n_parameters)
    warm = norms(start) > 0
    least = torch.where(warm, min_products, max(min_products, min(_COLD_PRODUCTS, max_products)))
    tolerance = torch.where(warm, relative_residual, min(relative_residual, _COLD_RESIDUAL)).double()
    basis, images = (start.new_empty(n_members, limit, n_parameters) for _ in range(2))
    aside = _begin(start, beside, chance, second, basis)
    two_at_once = min(limit, min_products) > 1 and bool((norms(aside) > 0).all())
    space = start.new_zeros(n_members, limit, limit, dtype=torch.float64)
    value, residual, scale = start.new_zeros(3, n_members, dtype=torch.float64)
    vector, next_one = torch.zeros_like(start), torch.zeros_like(start)
    done = torch.zeros_like(value, dtype=torch.bool)
    for k in range(limit):
        image = images[:, k].copy_(product(basis[:, k]))
        length = norms(image)
        finite = torch.isfinite(length)
        blown_up = not bool(finite.all())
        if blown_up:  # a member that has blown up has no eigenvalue to wait for
            image[~finite], length = 0, length.nan_to_num(0.0, 0.0)
        space[:, k, : k + 1] = _inside(basis[:, : k + 1], image)[:, :, 0]
        space[:, k, k] = inner(image, basis[:, k])
        scale = torch.maximum(scale, length)
        if k == 0 and two_at_once and not blown_up:
            _append(basis, 1, aside)  # nothing that the first product shows would change this
            continue
        rounding = _ROUNDING_UNITS * torch.finfo(start.dtype).eps * scale
        part = torch.nan_to_num(space[:, : k + 1, : k + 1], posinf=0.0, neginf=0.0)
        values, vectors = torch.linalg.eigh(part)  # of the lower triangle alone
        top = values[:, -1].abs()
        found, direction = _ritz_pair(basis, images, values, vectors, -1)
        size = torch.where(finite, norms(direction), torch.inf) if blown_up else norms(direction)
        close = size <= tolerance * top
        if k > 0:  # the error is about residual^2 / gap, so two eigenvalues close together need a smaller residual
            close &= size.square() <= _RELATIVE_ERROR * top * (values[:, -1] - values[:, -2])
        over = ~(size > rounding)
        if k == 0 or k + 1 == limit or blown_up or bool((close | over).any()):
            beyond = torch.zeros_like(found)
            if k > 0:
                beyond, aside = _ritz_pair(basis, images, values, vectors, -2)
            leads_on = norms(aside) > (rounding if k > 0 else 0)  # else both residuals are rounding: the search is over
            ends = ~done & ((over & ~leads_on) | ~finite | (close & (k + 1 >= least)) | (k + 1 == limit))
            if bool(ends.any()):
                value, residual = torch.where(ends, values[:, -1], value), torch.where(ends, size, residual)
                vector[ends], next_one[ends] = found[ends], beyond[ends]
                done = done | ends
                if bool(done.all()):
                    break
            turns = leads_on & (close | over | (k == 0))
            direction[turns] = aside[turns]
        _append(basis, k + 1, direction)
    return TopEigenpair(torch.where(norms(basis[:, 0]) > 0, value, torch.nan), vector, residual, next_one)


def _begin(start: Tensor, beside: Tensor, chance: Tensor | None, second: Tensor | None, basis: Tensor) -> Tensor:
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
    remains = norms(other) > _ROUNDING_UNITS * torch.finfo(first.dtype).eps * before
    return torch.where(remains[:, None], other, 0)


def _append(basis: Tensor, place: int, direction: Tensor) -> None:
    """Write what the direction has beside the vectors before that place, which overwrites it, as the next of them."""
    _remove(basis[:, :place], direction)
    _unit(direction, out=basis[:, place])


def _ritz_pair(basis: Tensor, images: Tensor, values: Tensor, vectors: Tensor, place: int) -> tuple[Tensor, Tensor]:
    """Return one of the vectors that the space offers, v, and what H v - value v is.

    A member's sum has as many terms as the member had products. With zeros for the products that only others needed, it
    would depend on them: a matrix product is rounded in an order that follows from the number of its terms.
    """
    n_members, n_terms = values.shape
    coefficients = new_rows(n_members, (1, n_terms), basis)
    coefficients[:, 0] = vectors[:, :, place].to(basis.dtype)
    vector, image = (
        multiply(coefficients, rows[:, :n_terms], torch.empty_like(rows[:, :1])) for rows in (basis, images)
    )
    image.sub_(vector * values[:, place, None, None].to(basis.dtype))
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
