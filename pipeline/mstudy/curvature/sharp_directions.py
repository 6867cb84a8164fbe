"""The eigenvectors of the Hessian whose eigenvalues lie above a bound, the largest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.flat_rows import inner

_RELATIVE_RESIDUAL = 0.003  # of an eigenvector, smaller than for an eigenvalue, whose error is of second order
_SECOND_SHARE = 0.5  # of the second vector that a search found, where the next one starts: they may trade places
Product = Callable[[Tensor], Tensor]


def sharp_directions(
    product: Product, starts: Sequence[Tensor], beside: Tensor, chance: Tensor, bound: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the eigenvectors above the bound, and where the next search for each should start.

    One search after the other finds the largest eigenvalue of what is left of the Hessian, so a member has as many
    directions of length 1 as it has eigenvalues above the bound, and at most as many as there are starts; the others
    are zero. product: v -> H v on (n_members, row_length). starts: those of an earlier search, or zeros.
    beside, chance: as in `top_eigenpair`. bound: (n_members,).
    """
    found = [torch.zeros_like(start) for start in starts]
    starts = [start.clone() for start in starts]
    values: list[Tensor] = []
    searching = torch.ones_like(bound, dtype=torch.bool)
    for k, start in enumerate(starts):
        rest = _without(product, values, found[:k])
        top = top_eigenpair(rest, start, beside, chance, relative_residual=_RELATIVE_RESIDUAL)
        both = top.vector + _SECOND_SHARE * top.second
        use = (searching & torch.isfinite(both).all(dim=1))[:, None]
        start.copy_(torch.where(use, both, start))  # what others still search for changes nothing here
        searching = searching & (top.value > bound)
        found[k] = torch.where(searching[:, None], top.vector, 0.0)
        values.append(torch.where(searching, top.value, 0.0))
        if not bool(searching.any()):
            break
    return found, starts


def _without(product: Product, values: Sequence[Tensor], vectors: Sequence[Tensor]) -> Product:
    """Return the product with the Hessian without these eigenpairs."""

    def deflated(v: Tensor) -> Tensor:
        image = product(v)
        for value, vector in zip(values, vectors, strict=True):
            image = image - vector * (value * inner(vector, v))[:, None].to(v.dtype)
        return image

    return deflated
