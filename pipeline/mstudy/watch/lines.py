"""What is told of each run: one line a run, the same for the table, for JSON and for a log of news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mstudy.core.params import Detect
from mstudy.core.statuses import WatchStatus
from mstudy.detect.all_runs import Judged
from mstudy.watch.folder import Watched

_NO_NEWS = (WatchStatus.RUNNING,)


@dataclass(frozen=True)
class Line:
    """One run as it stands. None: not known. sharpened_step: of the first abrupt sharpening, so far."""

    run: str
    status: WatchStatus
    batch_size: int | None
    eta_ef: float | None
    momentum: float | None
    seed: int | None
    step: int | None
    steps: int | None
    loss: float | None
    curvature_over_line: float | None
    seconds_left: float | None
    seconds_quiet: float
    sharpened_step: float | None
    factor: float | None
    diverged_step: int | None
    fault: str

    @property
    def has_news(self) -> bool:
        """Whether there is more to say than that it runs."""
        return self.status not in _NO_NEWS or self.sharpened_step is not None


def line_of(watched: Watched, judged: Judged | None, detect: Detect) -> Line:
    """Return what is told of a run. judged: None before it was judged."""
    run, row, status = watched.run, watched.run.row, watched.status
    events = judged.sharpening.events if judged is not None else ()
    running = status == WatchStatus.RUNNING
    return Line(
        run=run.name,
        status=status,
        batch_size=row.get("batch_size"),
        eta_ef=row.get("eta_ef"),
        momentum=row.get("momentum"),
        seed=row.get("seed"),
        step=run.last_step,
        steps=run.planned,
        loss=run.last("loss"),
        curvature_over_line=run.share_of_line(detect.quantity) if row else None,
        seconds_left=watched.pace.seconds_left(run.planned) if running else None,
        seconds_quiet=watched.quiet,
        sharpened_step=events[0].step if events else None,
        factor=events[0].jump if events else None,
        diverged_step=row.get("diverged_step"),
        fault=watched.fault,
    )


def as_dict(line: Line) -> dict[str, Any]:
    """Return a line for JSON."""
    return {**vars(line), "status": str(line.status)}
