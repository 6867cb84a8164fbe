"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.training.rows import inner, norms

_MIXED_IN = 0.3


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
    relative_residual: float = 0.01,
) -> TopEigenpair:
    """Lanczos with full reorthogonalisation; Golub & Van Loan (2013), section 10.3.

    product: v -> H v on (n_members, n_parameters). start: same shape; an earlier eigenvector, which saves most of the
    work, or zeros. beside: a direction that leans to the sharp ones, as the gradient does; a share of it is mixed in,
    since an eigenvector that has been overtaken by another would by itself be found again, its residual small.
    A member is done when its residual is at most `relative_residual` times its eigenvalue, after `min_products`
    products at least and `max_products` at most; the residual says which. What a member gets does not depend on when
    the others are done. Where both starts are zero there is nothing to search from: NaN.
    """
    basis = [_unit(_unit(start) + _MIXED_IN * _unit(beside))]
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    limit = min(max_products, start.shape[1])
    value, residual = start.new_zeros(2, len(start), dtype=torch.float64)
    coefficients = start.new_zeros(len(start), limit, dtype=torch.float64)
    done = torch.zeros_like(value, dtype=torch.bool)
    while True:
        image = product(basis[-1])
        diagonal.append(inner(image, basis[-1]))
        for _ in range(2):  # twice is enough: Parlett (1998), section 6.9
            for q in basis:
                image = image - inner(image, q)[:, None].to(image.dtype) * q
        norm = image.norm(dim=1)
        off_diagonal.append(norm.double())
        values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, off_diagonal[:-1]))
        value = torch.where(done, value, values[:, -1])
        residual = torch.where(done, residual, off_diagonal[-1] * vectors[:, -1, -1].abs())
        coefficients[~done, : len(basis)] = vectors[~done, :, -1]
        # A member that has blown up has no eigenvalue to wait for.
        enough = residual <= relative_residual * value.abs() if len(basis) >= min_products else torch.zeros_like(done)
        done = done | enough | ~torch.isfinite(residual)
        if bool(done.all()) or len(basis) == limit:
            value = torch.where(norms(basis[0]) > 0, value, torch.nan)
            return TopEigenpair(value, _combined(basis, coefficients.to(start.dtype)), residual)
        # An exhausted Krylov space leaves a zero vector; it then adds a zero row, not a division by zero.
        basis.append(_unit(image))


def _unit(rows: Tensor) -> Tensor:
    """Each row of norm 1, or 0 where it is 0."""
    return rows / norms(rows).to(rows.dtype).clamp_min(torch.finfo(rows.dtype).tiny)[:, None]


def _combined(basis: list[Tensor], coefficients: Tensor) -> Tensor:
    """Sum of the basis vectors, one by one: a coefficient of 0, while others search on, leaves a member as it is."""
    total = torch.zeros_like(basis[0])
    for k, q in enumerate(basis):
        total.addcmul_(q, coefficients[:, k, None])
    return total


def _tridiagonal(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> Tensor:
    matrix = torch.diag_embed(torch.stack(diagonal, dim=1))
    if off_diagonal:
        beside = torch.stack(off_diagonal, dim=1)
        matrix = matrix + torch.diag_embed(beside, offset=1) + torch.diag_embed(beside, offset=-1)
    return torch.nan_to_num(matrix, posinf=0.0, neginf=0.0)
