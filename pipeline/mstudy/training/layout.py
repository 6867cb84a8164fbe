"""Where the parameters of a network lie in its flat row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from mstudy.training.rows import padded


class RowLayout:
    """Parameters of these shapes, one after the other, and zeros behind them."""

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        self._shapes = [tuple(shape) for shape in shapes]
        self._ends = list(accumulate(math.prod(shape) for shape in self._shapes))
        self.n_parameters = self._ends[-1]
        self.row_length = padded(self.n_parameters)

    def parts(self, w: Tensor) -> list[Tensor]:
        """Views of the rows `w` (n_members, row_length) in the shapes; members in front unless there is one."""
        rows = w[0] if len(w) == 1 else w
        lead = () if len(w) == 1 else (len(w),)
        starts = [0, *self._ends[:-1]]
        slices = (rows[..., start:end] for start, end in zip(starts, self._ends, strict=True))
        return [part.view(*lead, *shape) for part, shape in zip(slices, self._shapes, strict=True)]

    def rows(self, parts: list[Tensor], n_members: int) -> Tensor:
        """The inverse of `parts`, as new padded rows."""
        rows = parts[0].new_zeros(n_members, self.row_length)
        torch.cat([part.detach().reshape(n_members, -1) for part in parts], dim=1, out=rows[:, : self.n_parameters])
        return rows
