"""Lines in words: what is told of a run, and of a duration."""

from __future__ import annotations

from typing import assert_never

from mstudy.core.statuses import WatchStatus
from mstudy.report.words import number, step
from mstudy.watch.lines import Line

_MINUTE, _HOUR, _DAY = 60, 3600, 86400  # seconds


def told(line: Line) -> str:
    """Say what has happened to a run; nothing where it just runs."""
    return "; ".join(part for part in (sharpened(line), fate(line)) if part)


def sharpened(line: Line) -> str:
    """Say when it sharpened; nothing where it did not."""
    if line.sharpened_step is None:
        return ""
    return f"sharpened at step {step(round(line.sharpened_step))} (× {number(line.factor)})"


def fate(line: Line) -> str:
    """Say what became of it; nothing where it runs."""
    match line.status:
        case WatchStatus.RUNNING:
            return ""
        case WatchStatus.SILENT:
            return f"silent for {duration(line.seconds_quiet)}"
        case WatchStatus.UNREADABLE:
            return line.fault
        case WatchStatus.DIVERGED:
            return f"diverged at step {step(line.diverged_step)}"
        case WatchStatus.COMPLETED:
            return "completed"
        case WatchStatus.INTERRUPTED:
            return "interrupted"
        case WatchStatus.GONE:
            return "its journal is gone, and it left no log"
        case _:
            assert_never(line.status)


def duration(seconds: float) -> str:
    """Return `40 s`, `12 min`, `3.4 h` or `2.1 d`."""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} d"


def summary(lines: list[Line], n_finished: int, folder: str, n_hidden: int = 0) -> str:
    """Say how many runs there are of each status. n_hidden: runs that the screen has no room for."""
    counts = {status: sum(line.status == status for line in lines) for status in WatchStatus}
    parts = [f"{count} {status.replace('_', ' ')}" for status, count in counts.items() if count]
    sharp = sum(line.sharpened_step is not None for line in lines)
    parts += [f"{sharp} sharpened"] if sharp else []
    parts += [f"{n_hidden} not shown here"] if n_hidden else []
    if not parts:
        return (
            f"no run is under way in {folder}, which holds {step(n_finished)} finished logs; "
            "the runs of a sweep are under way in its store, .mstudy/store"
        )
    return f"{', '.join(parts)}; {step(n_finished)} finished logs in {folder}"
