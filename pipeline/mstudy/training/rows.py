"""Memory layout of an ensemble: one padded row a member, so that a member computes the same wherever it lies.

The processor's matrix products round by the alignment of their operands. Each member's slice of every tensor
therefore starts at a multiple of 64 bytes: its numbers then depend on neither its place nor the ensemble's width.
"""

from __future__ import annotations

import torch
from torch import Tensor

_ALIGNMENT = 16  # float32 numbers in 64 bytes, a cache line and the widest vector register


def padded(n: int) -> int:
    """The least row length, at least n, that keeps the next row aligned."""
    return -(-n // _ALIGNMENT) * _ALIGNMENT


def new_rows(n_members: int, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """(n_members, *shape) zeros, each member's slice contiguous and aligned."""
    size = 1
    for n in shape:
        size *= n
    return like.new_zeros(n_members, padded(size))[:, :size].view(n_members, *shape)


def norms(rows: Tensor) -> Tensor:
    """Euclidean norm of each row, (n_members,) float64."""
    lengths: Tensor = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    return lengths


def inner(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each pair of rows, (n_members,) float64."""
    return (a * b).sum(dim=1, dtype=torch.float64)
