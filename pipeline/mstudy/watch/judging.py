"""When each run sharpened, asked again as it grows, within a share of one core."""

from __future__ import annotations

from collections.abc import Iterable

from mstudy.core.params import Detect
from mstudy.core.theory import stability_line_of
from mstudy.detect.all_runs import Judged, RunSeries, judge_run
from mstudy.watch.allowance import Allowance
from mstudy.watch.folder import Watched

_SHARE, _AT_START = 0.015, 2.0  # of a core, and seconds of it
_MIN_NEW_ROWS, _MIN_GROWTH = 4, 0.02  # since a run was last judged


class Judge:
    """What was found in each run, by the name of its journal. unhurried: whether it must keep to its share."""

    def __init__(self, detect: Detect, unhurried: bool = True) -> None:
        self.found: dict[str, Judged] = {}
        self._detect = detect
        self._unhurried = unhurried
        self._allowance = Allowance(_SHARE, _AT_START)
        self._judged_at: dict[str, int] = {}  # rows; the least recently judged first

    def judge(self, runs: Iterable[tuple[str, Watched]]) -> None:
        """Judge the runs that have grown: first those that have not sharpened, the longest waiting first."""
        grown = {name: watched for name, watched in runs if self._has_grown(name, watched)}
        waiting = sorted((name for name in self._judged_at if name in grown), key=self._has_sharpened)
        for name in [*(name for name in grown if name not in self._judged_at), *waiting]:
            if self._unhurried and not self._allowance.is_left:
                return
            with self._allowance.spent():
                self._judge(name, grown[name])

    def _has_sharpened(self, name: str) -> bool:
        return bool(self.found[name].sharpening.events)

    def _has_grown(self, name: str, watched: Watched) -> bool:
        rows, before = watched.run.n_rows, self._judged_at.get(name, 0)
        if not watched.run.row or rows == before:
            return False
        wanted = max(_MIN_NEW_ROWS, _MIN_GROWTH * before)
        return name not in self._judged_at or watched.ended is not None or abs(rows - before) >= wanted

    def _judge(self, name: str, watched: Watched) -> None:
        run, quantity = watched.run, self._detect.quantity
        series = RunSeries(
            run.row["run_id"],
            run.steps,
            run.column(quantity),
            run.column("loss"),
            stability_line_of(run.row, quantity),
        )
        self.found[name] = judge_run(series, self._detect)
        self._judged_at.pop(name, None)
        self._judged_at[name] = run.n_rows
