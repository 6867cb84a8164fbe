"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.training.products import multiply
from mstudy.training.rows import inner, new_rows, norms

_MIXED_IN = 0.3
_ROUNDING = 10.0  # times the precision of a number: what is smaller is not of the image


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
    min_products: int = 4,
    relative_residual: float = 0.02,
) -> TopEigenpair:
    """Lanczos with full reorthogonalisation; Golub & Van Loan (2013), section 10.3.

    product: v -> H v on (n_members, n_parameters). start: same shape; an earlier eigenvector, which saves most of the
    work, or zeros. beside: a direction that leans to the sharp ones, as the gradient does; a share of it is mixed in,
    since an eigenvector that has been overtaken by another would by itself be found again, its residual small.
    A member is done when its residual is at most `relative_residual` times its eigenvalue, after `min_products`
    products at least and `max_products` at most; the residual says which. What a member gets does not depend on when
    the others are done. Where both starts are zero there is nothing to search from: NaN.
    """
    n_members, n_parameters = start.shape
    limit = min(max_products, n_parameters)
    basis = start.new_zeros(n_members, limit, n_parameters)
    basis[:, 0] = _unit(_unit(start) + _MIXED_IN * _unit(beside))
    tridiagonal = start.new_zeros(n_members, limit + 1, limit + 1, dtype=torch.float64)
    value, residual = start.new_zeros(2, n_members, dtype=torch.float64)
    coefficients = new_rows(n_members, (1, limit), start)
    done = torch.zeros_like(value, dtype=torch.bool)
    for k in range(limit):
        image = product(basis[:, k])
        tridiagonal[:, k, k] = inner(image, basis[:, k])
        for _ in range(2):  # twice is enough: Parlett (1998), section 6.9
            image = _without(basis[:, : k + 1], image)
        norm = norms(image)
        values, vectors = torch.linalg.eigh(torch.nan_to_num(tridiagonal[:, : k + 1, : k + 1], posinf=0.0, neginf=0.0))
        value = torch.where(done, value, values[:, -1])
        residual = torch.where(done, residual, norm * vectors[:, -1, -1].abs())
        coefficients[~done, 0, : k + 1] = vectors[~done, :, -1].to(start.dtype)
        enough = residual <= relative_residual * value.abs() if k + 1 >= min_products else torch.zeros_like(done)
        # The Krylov space is exhausted: what is left of the image is rounding, no direction to go on in.
        exhausted = norm <= _ROUNDING * torch.finfo(start.dtype).eps * values.abs().amax(dim=-1)
        # A member that has blown up has no eigenvalue to wait for.
        done = done | enough | exhausted | ~torch.isfinite(residual)
        if bool(done.all()) or k + 1 == limit:
            break
        tridiagonal[:, k, k + 1] = tridiagonal[:, k + 1, k] = norm
        basis[:, k + 1] = _unit(image)
    value = torch.where(norms(basis[:, 0]) > 0, value, torch.nan)
    vector = multiply(coefficients, basis, torch.empty_like(start)[:, None])[:, 0]
    return TopEigenpair(value, vector, residual)


def _without(basis: Tensor, image: Tensor) -> Tensor:
    """The image less its part in the span of the basis (n_members, k, n_parameters)."""
    inside = multiply(basis, image[:, :, None], new_rows(len(basis), (basis.shape[1], 1), image))
    part = multiply(inside.transpose(1, 2), basis, torch.empty_like(image)[:, None])
    return image - part[:, 0]


def _unit(rows: Tensor) -> Tensor:
    """Each row of norm 1, or 0 where it is 0."""
    return rows / norms(rows).to(rows.dtype).clamp_min(torch.finfo(rows.dtype).tiny)[:, None]
