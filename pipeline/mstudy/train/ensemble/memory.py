"""How much memory is free, how many members may be measured in it at once, and what happens to it when it is freed."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import torch

from mstudy.curvature.network import Batch, Network

_MEASURING_SHARE = 0.25  # of a GPU's free memory, for measuring

# Parameters of glibc's mallopt(3), in bytes: how much stays when it is freed at the heap's end, by how much the heap
# grows, and from what size on blocks are mapped one by one.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST_INT = 2**31 - 1
_MEMINFO = Path("/proc/meminfo")


def keep_freed_memory() -> None:
    """Keep freed memory in this process for the next allocation. Only glibc offers this.

    A step of training frees all of its tensors and the next asks for the same again. To give the pages back in between
    and to have them zeroed anew costs a convolutional network up to half of its time.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library
        return
    for parameter, value in ((_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, _LARGEST_INT), (_M_TOP_PAD, 64 << 20)):
        mallopt(parameter, value)


def free_bytes(device: torch.device) -> float:
    """Return the free memory of the device; a CPU's is the machine's."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + kept)
    try:
        lines = _MEMINFO.read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1e3
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2


def members_at_once(network: Network, batch: Batch, chunk: int, device: torch.device) -> int | None:
    """Return how many members a GPU measures side by side on a shared batch of which it sees `chunk` samples at a time.

    None on a CPU: there the cache limits the number of samples at once, no matter how many members share them.
    """
    if device.type == "cpu":
        return None
    n_samples = min(batch.n_samples, chunk)
    return max(1, int(_MEASURING_SHARE * free_bytes(device) / max(1, network.bytes_per_sample(batch) * n_samples)))
