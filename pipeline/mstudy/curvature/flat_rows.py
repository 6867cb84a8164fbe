"""Memory layout of an ensemble: one padded row a member, so that a member computes the same wherever it lies.

The processor's matrix products round by the alignment of their operands. Each member's slice of every tensor
therefore starts at a multiple of 64 bytes: its numbers then depend on neither its place nor the ensemble's width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

_ALIGNMENT = 16  # float32 numbers in 64 bytes, a cache line and the widest vector register


def padded(n: int) -> int:
    """Return the least row length, at least n, that keeps the next row aligned."""
    return -(-n // _ALIGNMENT) * _ALIGNMENT


def new_rows(n_members: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return (n_members, *shape) zeros, each member's slice contiguous and aligned."""
    size = 1
    for n in shape:
        size *= n
    return like.new_zeros(n_members, padded(size))[:, :size].view(n_members, *shape)


def chance_rows(n_parameters: int, like: Tensor) -> Tensor:
    """Return a random direction of length 1, the same each time and for each row: of the shape of `like`."""
    return _chance_row(n_parameters, like.shape[1], like.dtype, like.device).expand_as(like)


@lru_cache(maxsize=4)
def _chance_row(n_parameters: int, row_length: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    row = torch.zeros(1, row_length, dtype=torch.float64)
    drawn = torch.randn(n_parameters, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    row[0, :n_parameters] = drawn / drawn.norm()
    return row.to(device, dtype)


def norms(rows: Tensor) -> Tensor:
    """Compute the Euclidean norm of each row, (n_members,) float64."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return lengths


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Compute the inner product of each pair of rows, (n_members,) float64."""
    return (a * b).sum(dim=1, dtype=torch.float64)


def nudged(row: Tensor) -> Tensor:
    """Return the weights, each moved to the next number of its type, up and down in turn; zeros stay."""
    up = torch.arange(len(row), device=row.device) % 2 == 0
    aims = torch.where(up, torch.inf, -torch.inf).to(row.dtype)
    return torch.where(row == 0, row, torch.nextafter(row, aims))


def survives(w: Tensor, update: Tensor) -> Tensor:
    """Return whether the update survives its addition to the weights: one of half a last digit or less does not."""
    lost = norms((w + update).sub_(w).sub_(update))
    return lost <= 0.1 * norms(update)


class RowLayout:
    """Parameters of these shapes, one after the other, and zeros behind them."""

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        self._shapes = [tuple(shape) for shape in shapes]
        self._ends = list(accumulate(math.prod(shape) for shape in self._shapes))
        self.n_parameters = self._ends[-1]
        self.row_length = padded(self.n_parameters)

    def parts(self, w: Tensor) -> list[Tensor]:
        """Return views of the rows `w` (n_members, row_length) in the shapes; members in front unless there is one."""
        rows = w[0] if len(w) == 1 else w
        lead = () if len(w) == 1 else (len(w),)
        starts = [0, *self._ends[:-1]]
        slices = (rows[..., start:end] for start, end in zip(starts, self._ends, strict=True))
        return [part.view((*lead, *shape)) for part, shape in zip(slices, self._shapes, strict=True)]

    def rows(self, parts: list[Tensor], n_members: int) -> Tensor:
        """Return the inverse of `parts`, as new padded rows."""
        rows = parts[0].new_empty(n_members, self.row_length)
        rows[:, self.n_parameters :] = 0
        torch.cat([part.detach().reshape(n_members, -1) for part in parts], dim=1, out=rows[:, : self.n_parameters])
        return rows
