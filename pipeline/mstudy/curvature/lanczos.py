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
_ROUNDING_UNITS = 10.0  # times the precision of a number: a smaller remainder of an image is only rounding


@dataclass(frozen=True)
class TopEigenpair:
    """value: (n_members,) largest (not largest absolute) eigenvalue. vector: (n_members, n_parameters), unit norm.

    residual: (n_members,) ||H v - value v||. Some eigenvalue lies within it; the error of `value` itself is of the
    order residual^2 / (gap to the next eigenvalue).
    """

    value: Tensor
    vector: Tensor
    residual: Tensor


def top_eigenpair(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    beside: Tensor,
    max_products: int = 30,
    min_products: int = 5,
    relative_residual: float = 0.015,
) -> TopEigenpair:
    """Find the largest eigenvalue by Lanczos with full reorthogonalisation; Golub & Van Loan (2013), section 10.3.

    product: v -> H v on (n_members, n_parameters). start: same shape; an earlier eigenvector, which saves most of the
    work, or zeros. beside: a direction that leans to the sharp ones, as the gradient does; a share of it is mixed in,
    since an eigenvector that has been overtaken by another would by itself be found again, its residual small.
    A member is done when its residual is at most `relative_residual` times its eigenvalue, after `min_products`
    products at least and `max_products` at most; the residual says which. What a member gets does not depend on when
    the others are done. Where both starts are zero there is nothing to search from: NaN.
    """
    n_members, n_parameters = start.shape
    limit = min(max_products, n_parameters)
    basis = start.new_empty(n_members, limit, n_parameters)
    _unit(_unit(start).add_(_unit(beside), alpha=_GRADIENT_SHARE), out=basis[:, 0])
    tridiagonal = start.new_zeros(n_members, limit, limit, dtype=torch.float64)
    value, residual, scale = start.new_zeros(3, n_members, dtype=torch.float64)
    coefficients = new_rows(n_members, (1, limit), start)
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
            terms[~done] = k + 1
            done = done | over | ((residual <= relative_residual * value.abs()) & (k + 1 >= min_products))
            if k + 1 == limit or bool(done.all()):
                break
        tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = norm
        _unit(image, out=basis[:, k + 1])
    vector = _combine(coefficients, basis, terms.tolist(), torch.empty_like(start))
    return TopEigenpair(torch.where(norms(basis[:, 0]) > 0, value, torch.nan), vector, residual)


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
