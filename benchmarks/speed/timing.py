"""Least time of a call, with contenders taken in turns, often: a disturbance of the machine then meets all alike."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROUNDS = 25
BLOCK_SECONDS = 0.04


def _nothing() -> None:
    pass


def block(call: Callable[[], object], n: int, wait: Callable[[], object] = _nothing) -> float:
    """Seconds of one call, over n of them. wait: until what they started is done, on a GPU."""
    wait()
    start = time.perf_counter()
    for _ in range(n):
        call()
    wait()
    return (time.perf_counter() - start) / n


def calls_a_block(
    call: Callable[[], object], seconds: float = BLOCK_SECONDS, wait: Callable[[], object] = _nothing
) -> int:
    """How many calls fill a block; the first, which touch memory or record a step, do not count."""
    block(call, 3, wait)
    return max(1, round(seconds / block(call, 3, wait)))


def least(
    calls: Sequence[Callable[[], object]],
    seconds: float = BLOCK_SECONDS,
    rounds: int = ROUNDS,
    wait: Callable[[], object] = _nothing,
) -> list[float]:
    """Seconds of one call of each: the least over the rounds of a block's mean."""
    sizes = [calls_a_block(call, seconds, wait) for call in calls]
    times = [[block(call, n, wait) for call, n in zip(calls, sizes, strict=True)] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cpu() -> str:
    """The processor's name and the cores at hand."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        name = platform.processor() or platform.machine()
    return f"{name}, {n} cores"
