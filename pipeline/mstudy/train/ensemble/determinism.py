"""The conditions under which the same training gives the same numbers, to the last bit, on the same machine.

One thread a process: runs, not matrix products, are what this project spreads over the cores, and the number of threads
decides how sums are rounded. On a GPU, algorithms of cuDNN that sum in the same order each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def repeatable() -> Iterator[None]:
    """Set deterministic algorithms and one thread; restore the old settings on exit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(1),
            torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=torch.backends.cudnn.allow_tf32),
        ):
            yield
    finally:
        torch.set_num_threads(threads)
