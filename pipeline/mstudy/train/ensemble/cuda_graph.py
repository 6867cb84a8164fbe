"""On a GPU a step of training is recorded once, as a CUDA graph, and from then on started by one call.

A step is tens of kernels for a perceptron and hundreds for a ResNet, most of which run for less time than Python
takes to start one. Recorded, they follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class RecordedStep:
    """work(step, index), which must read and write the same tensors each time and ask nothing of the CPU.

    w: the members' weights, by which the caller knows whose step it is. index: (n_members, batch_size) samples of the
    step, None where all are seen. The first call does the work as it stands, so that libraries set themselves up; the
    second records it. On a CPU there is nothing to record.
    """

    def __init__(
        self, work: Callable[[Tensor, Tensor | None], None], w: Tensor, index: NDArray[np.int64] | None
    ) -> None:
        self.w = w
        self._step = torch.zeros((), dtype=torch.int64, device=w.device)
        self._index = None if index is None else torch.as_tensor(index).to(w.device, copy=True)
        self._work = partial(work, self._step, self._index)
        self._is_set_up = False
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, step: int, index: NDArray[np.int64] | None) -> None:
        """Do the work once."""
        self._step.fill_(step)
        if self._index is not None:
            self._index.copy_(torch.as_tensor(index))
        if not self.w.is_cuda:
            self._work()
        elif not self._is_set_up:
            self._set_up()
        else:
            self._replay()

    def _replay(self) -> None:
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._work()
        self._graph.replay()

    def _set_up(self) -> None:
        """Run aside from the main stream, as the recording will: what a library sets up belongs to a stream."""
        current = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            self._work()
        current.wait_stream(aside)
        self._is_set_up = True
