"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mstudy.curvature.flat_rows import norms
from mstudy.curvature.search_space import (
    ROUNDING_UNITS,
    Space,
    append,
    begin,
    empty_space,
    multiply_next,
    ritz_pair,
)

_RELATIVE_ERROR = 0.001  # of the eigenvalue
_COLD_PRODUCTS, _COLD_RESIDUAL = 20, 0.003  # of a search that starts from no earlier vector


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
    limit = min(max_products, start.shape[1])
    goal = _goal(start, min_products, max_products, relative_residual)
    space, found = empty_space(start, limit), _nothing_found(start)
    aside = begin(start, beside, chance, second, space.basis)
    two_at_once = min(limit, min_products) > 1 and bool((norms(aside) > 0).all())
    for k in range(limit):
        blown_up = multiply_next(space, product, k)
        if k == 0 and two_at_once and blown_up is None:
            append(space.basis, 1, aside)  # nothing that the first product shows would change this
            continue
        best = _best_pair(space, goal, k, blown_up)
        direction = best.left
        if k == 0 or k + 1 == limit or blown_up is not None or bool((best.close | best.over).any()):
            other = _second_pair(space, best, k, aside)
            ends = _ending(best, other, goal, k + 1, limit, blown_up) & ~found.done
            if bool(ends.any()) and _note(found, ends, best, other):
                break
            turns = other.leads_on & (best.close | best.over | (k == 0))
            direction[turns] = other.left[turns]
        append(space.basis, k + 1, direction)
    return _result(space, found)


@dataclass(frozen=True)
class _Goal:
    """When a member is done. least: products to make, (n_members,). tolerance: of the residual, over the eigenvalue."""

    least: Tensor
    tolerance: Tensor


def _goal(start: Tensor, min_products: int, max_products: int, relative_residual: float) -> _Goal:
    warm = norms(start) > 0
    least = torch.where(warm, min_products, max(min_products, min(_COLD_PRODUCTS, max_products)))
    tolerance = torch.where(warm, relative_residual, min(relative_residual, _COLD_RESIDUAL)).double()
    return _Goal(least, tolerance)


@dataclass(frozen=True)
class _Found:
    """What is kept of the members that are done, filled in place; each as in TopEigenpair. done: (n_members,)."""

    value: Tensor
    residual: Tensor
    vector: Tensor
    second: Tensor
    done: Tensor


def _nothing_found(start: Tensor) -> _Found:
    value, residual = start.new_zeros(2, len(start), dtype=torch.float64)
    done = torch.zeros_like(value, dtype=torch.bool)
    return _Found(value, residual, torch.zeros_like(start), torch.zeros_like(start), done)


@dataclass(frozen=True)
class _BestPair:
    """The largest eigenpair that the space offers.

    values, vectors: all eigenpairs inside the space. vector, left: v and H v - value v. size: the length of `left`.
    close: whether the residual is small enough; over: whether it is mere rounding. rounding: what rounding amounts to.
    """

    values: Tensor
    vectors: Tensor
    vector: Tensor
    left: Tensor
    size: Tensor
    close: Tensor
    over: Tensor
    rounding: Tensor


def _best_pair(space: Space, goal: _Goal, k: int, blown_up: Tensor | None) -> _BestPair:
    """Return the best pair after k + 1 products."""
    part = torch.nan_to_num(space.inside[:, : k + 1, : k + 1], posinf=0.0, neginf=0.0)
    values, vectors = torch.linalg.eigh(part)  # of the lower triangle alone
    vector, left = ritz_pair(space, values, vectors, -1)
    size = norms(left)
    if blown_up is not None:
        size = torch.where(blown_up, torch.inf, size)
    rounding = ROUNDING_UNITS * torch.finfo(left.dtype).eps * space.scale
    return _BestPair(values, vectors, vector, left, size, _is_close(values, size, goal), ~(size > rounding), rounding)


def _is_close(values: Tensor, size: Tensor, goal: _Goal) -> Tensor:
    """Return whether a residual is small enough, for its value and for the distance to the next one: (n_members,)."""
    top = values[:, -1].abs()
    close = size <= goal.tolerance * top
    if values.shape[1] > 1:  # the error is about residual^2 / gap: two values close together need a smaller residual
        close &= size.square() <= _RELATIVE_ERROR * top * (values[:, -1] - values[:, -2])
    return close


@dataclass(frozen=True)
class _SecondPair:
    """The second eigenpair that the space offers. vector: zeros where it has but one dimension.

    left: its residual, or the second start. leads_on: where that is not mere rounding: else the search is over.
    """

    vector: Tensor
    left: Tensor
    leads_on: Tensor


def _second_pair(space: Space, best: _BestPair, k: int, aside: Tensor) -> _SecondPair:
    """Return the second pair after k + 1 products. aside: the second start, which stands in for it after the first."""
    if k == 0:
        return _SecondPair(torch.zeros_like(best.vector), aside, norms(aside) > 0)
    vector, left = ritz_pair(space, best.values, best.vectors, -2)
    return _SecondPair(vector, left, norms(left) > best.rounding)


def _ending(
    best: _BestPair, other: _SecondPair, goal: _Goal, n_products: int, limit: int, blown_up: Tensor | None
) -> Tensor:
    """Return for which members the search is over: (n_members,)."""
    ends = (best.over & ~other.leads_on) | (best.close & (n_products >= goal.least)) | (n_products == limit)
    return ends if blown_up is None else ends | blown_up


def _note(found: _Found, ends: Tensor, best: _BestPair, other: _SecondPair) -> bool:
    """Keep the pairs of the members whose search ends. Return whether all are done."""
    found.value.copy_(torch.where(ends, best.values[:, -1], found.value))
    found.residual.copy_(torch.where(ends, best.size, found.residual))
    found.vector[ends], found.second[ends] = best.vector[ends], other.vector[ends]
    found.done.logical_or_(ends)
    return bool(found.done.all())


def _result(space: Space, found: _Found) -> TopEigenpair:
    """Return what was found; NaN for a member that had nothing to search from."""
    value = torch.where(norms(space.basis[:, 0]) > 0, found.value, torch.nan)
    return TopEigenpair(value, found.vector, found.residual, found.second)
