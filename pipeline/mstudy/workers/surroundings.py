"""What a process is to find around it: one thread, a safe path, a parent that lives, memory to share."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import wait

from mstudy.core.errors import LogError

ONE_THREAD = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# What a child process of Python must find in its environment, or else it looks for modules in the current folder first.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"  # the GPUs that a process may see


def available_cores() -> int:
    """Return cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Change environment variables, for child processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@contextmanager
def shared_memory_needed() -> Iterator[None]:
    """Raise LogError where the system has no memory that processes can share, as in some containers."""
    try:
        yield
    except OSError as error:
        raise LogError(
            f"Processes must be able to share memory (/dev/shm), found: {error.strerror or error}; "
            "run it again with --workers 1."
        ) from None


def end_with_parent() -> None:
    """End this process as soon as its parent has ended, however that came: without it a worker waits for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
