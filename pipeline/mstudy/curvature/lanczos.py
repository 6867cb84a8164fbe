"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import inner, new_rows, norms
from mstudy.curvature.matmul import multiply

_GRADIENT_SHARE = 0.3  # of the direction `beside`, in the first vector of the search
_CHANCE_SHARE = 0.1  # of the direction `chance` there
_SECOND_SHARE = 0.5  # of the second vector that a search found, where the next one starts
_RELATIVE_ERROR = 0.001  # of the eigenvalue
_COLD_PRODUCTS, _COLD_RESIDUAL = 20, 0.003  # of a search that starts from no earlier vector
_ROUNDING_UNITS = 10.0  # times the precision of a number: a smaller remainder of an image is only rounding


@dataclass(frozen=True)
class TopEigenpair:
    """value: (n_members,) largest (not largest absolute) eigenvalue. vector: (n_members, n_parameters), unit norm.

    residual: (n_members,) ||H v - value v||. Some eigenvalue lies within it; the error of `value` itself is of the
    order residual^2 / (gap to the next eigenvalue). next_start: where the next search should start: the vector and a
    share of the second one that was found, since the two may trade places.
    """

    value: Tensor
    vector: Tensor
    residual: Tensor
    next_start: Tensor


def top_eigenpair(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    beside: Tensor,
    chance: Tensor | None = None,
    max_products: int = 40,
    min_products: int = 6,
    relative_residual: float = 0.015,
) -> TopEigenpair:
    """Find the largest eigenvalue by Lanczos with full reorthogonalisation; Golub & Van Loan (2013), section 10.3.

    product: v -> H v on (n_members, n_parameters). start: same shape; an earlier `next_start`, which saves most of the
    work, or zeros. beside: a direction that leans to the sharp ones, as the gradient does; a share of it is mixed in,
    since an eigenvector that has been overtaken by another would by itself be found again, its residual small. chance:
    a random direction, a share of which is mixed in: the loss of a symmetric network keeps the others in a subspace
    that need not hold the largest eigenvalue.
    A member is done when its residual is at most `relative_residual` times its eigenvalue, after `min_products`
    products at least and `max_products` at most; the residual says which. Without an earlier start it searches for
    longer. What a member gets does not depend on when the others are done. Where all starts are zero there is nothing
    to search from: NaN.
    """
    n_members, n_parameters = start.shape
    limit = min(max_products, n_parameters)
    basis = start.new_empty(n_members, limit, n_parameters)
    first = _unit(start).add_(_unit(beside), alpha=_GRADIENT_SHARE)
    _unit(first if chance is None else first.add_(chance, alpha=_CHANCE_SHARE), out=basis[:, 0])
    warm = norms(start) > 0
    least = torch.where(warm, min_products, max(min_products, min(_COLD_PRODUCTS, max_products)))
    tolerance = torch.where(warm, relative_residual, min(relative_residual, _COLD_RESIDUAL)).double()
    tridiagonal = start.new_zeros(n_members, limit, limit, dtype=torch.float64)
    value, residual, scale = start.new_zeros(3, n_members, dtype=torch.float64)
    coefficients, seconds = (new_rows(n_members, (1, limit), start) for _ in range(2))
    terms = torch.zeros_like(value, dtype=torch.int64)
    done = torch.zeros_like(value, dtype=torch.bool)
    for k in range(limit):
        image = product(basis[:, k])
        tridiagonal[:, k, k] = diagonal = inner(image, basis[:, k])
        for _ in range(2):  # twice is enough: Parlett (1998), section 6.9
            _remove(basis[:, : k + 1], image)
        norm = norms(image)
        scale = torch.maximum(scale, diagonal.abs() + norm)
        # The Krylov space is exhausted: what is left of the image is rounding, no direction to go on in. A member that
        # has blown up has no eigenvalue to wait for.
        over = (norm <= _ROUNDING_UNITS * torch.finfo(start.dtype).eps * scale) | ~torch.isfinite(norm)
        if k + 1 == limit or k + 1 >= min_products or bool(over.any()):
            space = torch.nan_to_num(tridiagonal[:, : k + 1, : k + 1], posinf=0.0, neginf=0.0)
            values, vectors = torch.linalg.eigh(space)
            value = torch.where(done, value, values[:, -1])
            residual = torch.where(done, residual, norm * vectors[:, -1, -1].abs())
            coefficients[~done, 0, : k + 1] = vectors[~done, :, -1].to(start.dtype)
            seconds[~done, 0, : k + 1] = vectors[~done, :, max(-2, -k - 1)].to(start.dtype)
            terms[~done] = k + 1
            close = residual <= tolerance * value.abs()
            if k > 0:  # the error is about residual^2 / gap, so two eigenvalues close together need a smaller residual
                close &= residual.square() <= _RELATIVE_ERROR * value.abs() * (values[:, -1] - values[:, -2])
            done = done | over | (close & (k + 1 >= least))
            if k + 1 == limit or bool(done.all()):
                break
        tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = norm
        _unit(image, out=basis[:, k + 1])
    vector, second = (
        _combine(each, basis, terms.tolist(), torch.empty_like(start)) for each in (coefficients, seconds)
    )
    next_start = second.mul_(_SECOND_SHARE).add_(vector)
    return TopEigenpair(torch.where(norms(basis[:, 0]) > 0, value, torch.nan), vector, residual, next_start)


def _combine(coefficients: Tensor, basis: Tensor, terms: Sequence[int], out: Tensor) -> Tensor:
    """Sum each member's basis vectors (n_members, limit, n_parameters) with its coefficients (n_members, 1, limit).

    A member's sum has as many terms as the member had products. With zeros for the products that only others needed, it
    would depend on them: a matrix product is rounded in an order that follows from the number of its terms.
    """
    start = 0
    for n, neighbours in groupby(terms):
        stop = start + len(list(neighbours))
        multiply(coefficients[start:stop, :, :n], basis[start:stop, :n], out[start:stop, None])
        start = stop
    return out


def _remove(basis: Tensor, image: Tensor) -> None:
    """Take from the image its part in the span of the basis (n_members, k, n_parameters)."""
    inside = multiply(basis, image[:, :, None], new_rows(len(basis), (basis.shape[1], 1), image))
    image.sub_(multiply(inside.transpose(1, 2), basis, torch.empty_like(image)[:, None])[:, 0])


def _unit(rows: Tensor, out: Tensor | None = None) -> Tensor:
    """Return each row of norm 1, or 0 where it is 0."""
    lengths = norms(rows).to(rows.dtype).clamp_min(torch.finfo(rows.dtype).tiny)
    return torch.div(rows, lengths[:, None], out=out)
