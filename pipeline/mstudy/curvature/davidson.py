"""Sharpness: the largest eigenvalue of the Hessian, for all members of an ensemble at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mstudy.curvature.search_space import (
    ROUNDING_UNITS,
    OfMembers,
    Space,
    append,
    begin,
    chosen,
    empty_space,
    lengths,
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
    warm = lengths(start) > 0
    goal = _goal(warm, min_products, max_products, relative_residual)
    space, found = empty_space(start, limit), _nothing_found(start)
    aside, stands_aside = begin(space, start, warm, beside, chance, second)
    two_at_once = min(limit, min_products) > 1 and bool(stands_aside.all())
    for k in range(limit):
        blown_up = multiply_next(space, product, k)
        if k == 0 and two_at_once and not blown_up.any():
            append(space, 1, aside)  # nothing that the first product shows would change this
            continue
        best = _best_pair(space, goal, k, blown_up)
        direction, near = best.left, best.close | best.over
        if k == 0 or k + 1 == limit or blown_up.any() or near.any():
            other = _second_pair(space, best) if k > 0 else _SecondPair(torch.zeros_like(aside), aside, stands_aside)
            ends = (_ending(best, other, goal, k + 1, limit) | blown_up) & ~found.done
            if ends.any() and _note(found, ends, best, other):
                break
            direction = chosen(other.leads_on & (near | (k == 0)), other.left, direction)
        append(space, k + 1, direction)
    return _result(space, found)


@dataclass(frozen=True)
class _Goal:
    """When a member is done. least: products to make. tolerance: of the residual, over the eigenvalue."""

    least: OfMembers
    tolerance: OfMembers


def _goal(warm: OfMembers, min_products: int, max_products: int, relative_residual: float) -> _Goal:
    least = np.where(warm, min_products, max(min_products, min(_COLD_PRODUCTS, max_products)))
    tolerance = np.where(warm, relative_residual, min(relative_residual, _COLD_RESIDUAL))
    return _Goal(least, tolerance.astype(np.float32))  # in single precision, as in all logs: a choice may hang on it


@dataclass(frozen=True)
class _Found:
    """What is kept of the members that are done, filled in place; each as in TopEigenpair."""

    value: OfMembers
    residual: OfMembers
    vector: Tensor
    second: Tensor
    done: OfMembers


def _nothing_found(start: Tensor) -> _Found:
    value, residual = np.zeros((2, len(start)))
    return _Found(value, residual, torch.zeros_like(start), torch.zeros_like(start), np.zeros(len(start), dtype=bool))


@dataclass(frozen=True)
class _BestPair:
    """The largest eigenpair that the space offers.

    values, vectors: all eigenpairs inside the space. value: the largest. vector, left: v and H v - value v. size: the
    length of `left`. close: whether the residual is small enough; over: whether it is mere rounding. rounding: what
    rounding amounts to.
    """

    values: Tensor
    vectors: Tensor
    value: OfMembers
    vector: Tensor
    left: Tensor
    size: OfMembers
    close: OfMembers
    over: OfMembers
    rounding: OfMembers


def _best_pair(space: Space, goal: _Goal, k: int, blown_up: OfMembers) -> _BestPair:
    """Return the best pair after k + 1 products."""
    part = torch.from_numpy(space.inside[:, : k + 1, : k + 1]).to(space.basis.device)
    values, vectors = torch.linalg.eigh(part)  # of the lower triangle alone
    vector, left = ritz_pair(space, values, vectors, -1)
    size = np.where(blown_up, np.inf, lengths(left))
    rounding = ROUNDING_UNITS * torch.finfo(left.dtype).eps * space.scale
    known = values.cpu().numpy()
    close = _is_close(known, size, goal)
    return _BestPair(values, vectors, known[:, -1], vector, left, size, close, ~(size > rounding), rounding)


def _is_close(values: OfMembers, size: OfMembers, goal: _Goal) -> OfMembers:
    """Return whether a residual is small enough, for its value and for the distance to the next one."""
    top = np.abs(values[:, -1])
    close: OfMembers = size <= goal.tolerance * top
    if values.shape[1] > 1:  # the error is about residual^2 / gap: two values close together need a smaller residual
        with np.errstate(over="ignore", invalid="ignore"):
            close &= np.square(size) <= _RELATIVE_ERROR * top * (values[:, -1] - values[:, -2])
    return close


@dataclass(frozen=True)
class _SecondPair:
    """The second eigenpair that the space offers, or the second start where it has but one dimension.

    vector: zeros for a start. left: its residual, or the start. leads_on: where that is not mere rounding: else the
    search is over.
    """

    vector: Tensor
    left: Tensor
    leads_on: OfMembers


def _second_pair(space: Space, best: _BestPair) -> _SecondPair:
    vector, left = ritz_pair(space, best.values, best.vectors, -2)
    return _SecondPair(vector, left, lengths(left) > best.rounding)


def _ending(best: _BestPair, other: _SecondPair, goal: _Goal, n_products: int, limit: int) -> OfMembers:
    """Return for which members the search is over."""
    ends: OfMembers = (best.over & ~other.leads_on) | (best.close & (n_products >= goal.least)) | (n_products == limit)
    return ends


def _note(found: _Found, ends: OfMembers, best: _BestPair, other: _SecondPair) -> bool:
    """Keep the pairs of the members whose search ends. Return whether all are done."""
    np.copyto(found.value, best.value, where=ends)
    np.copyto(found.residual, best.size, where=ends)
    found.vector.copy_(chosen(ends, best.vector, found.vector))
    found.second.copy_(chosen(ends, other.vector, found.second))
    np.logical_or(found.done, ends, out=found.done)
    return bool(found.done.all())


def _result(space: Space, found: _Found) -> TopEigenpair:
    """Return what was found; NaN for a member that had nothing to search from."""
    searched = np.where(lengths(space.basis[:, 0]) > 0, found.value, np.nan)
    value, residual = (torch.from_numpy(numbers).to(found.vector.device) for numbers in (searched, found.residual))
    return TopEigenpair(value, found.vector, residual, found.second)
