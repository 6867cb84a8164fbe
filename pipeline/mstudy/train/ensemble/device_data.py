"""A training set on the device."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mstudy.curvature.network import Batch
from mstudy.data.dataset import Dataset


class Samples:
    """Inputs and targets as tensors: labels one-hot, symbols of text as they are, real targets as they are."""

    def __init__(self, data: Dataset, dtype: torch.dtype, device: torch.device) -> None:
        inputs, targets = torch.as_tensor(data.inputs), torch.as_tensor(data.targets)
        if data.is_text:
            self._x, self._y = inputs.to(device), targets.to(device)
        else:
            self._x = inputs.to(device, dtype)
            one_hot = torch.eye(data.n_outputs, dtype=dtype)[targets] if data.classification else targets.to(dtype)
            self._y = one_hot.to(device)

    def first(self, n: int) -> Batch:
        """Return the first n samples, shared by all members."""
        return Batch(self._x[:n], self._y[:n], shared=True)

    def batch(self, index: NDArray[np.int64] | Tensor) -> Batch:
        """Return each member's own samples; index (n_members, n_samples)."""
        rows = torch.as_tensor(index, device=self._x.device)
        return Batch(_taken(self._x, rows), _taken(self._y, rows), shared=False)


def _taken(source: Tensor, rows: Tensor) -> Tensor:
    """Return source[rows], several times faster."""
    return source.index_select(0, rows.flatten()).view(*rows.shape, *source.shape[1:])
