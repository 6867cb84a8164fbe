"""The loop: look, judge, tell, wait."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich.console import Console
from rich.live import Live

from mstudy.core.errors import printable
from mstudy.core.params import Detect
from mstudy.core.statuses import WatchStatus
from mstudy.detect.all_runs import Judged
from mstudy.watch.folder import Watched, WatchedFolder
from mstudy.watch.judging import Judge
from mstudy.watch.lines import Line, line_of
from mstudy.watch.table import draw
from mstudy.watch.words import summary, told

SECONDS = 2.0  # between two looks
SILENT_AFTER = 60.0  # seconds


@dataclass(frozen=True)
class Look:
    """All that is known now. lines: those of which there is news first, then by name. judged: runs with rows."""

    lines: list[Line]
    n_finished: int
    judged: dict[str, tuple[Watched, Judged]]


class Watch:
    """The runs of a folder, looked at again and again. unhurried: whether the judge keeps to its share of a core."""

    def __init__(self, root: Path, detect: Detect, silent_after: float, unhurried: bool = True) -> None:
        self.folder = WatchedFolder(root, silent_after)
        self.judge = Judge(detect, unhurried)
        self.detect = detect

    def look(self) -> Look:
        """Read what is new and judge what has grown. Raises LogError where the folder cannot be listed."""
        self.folder.look()
        self.judge.judge(self.folder.runs.items())
        lines = [line_of(run, self.judge.found.get(name), self.detect) for name, run in self.folder.runs.items()]
        lines.sort(key=lambda line: (not line.has_news, line.run))
        found = self.judge.found.items()
        judged = {run.run.name: (run, verdict) for name, verdict in found if (run := self.folder.runs[name]).run.n_rows}
        return Look(lines, self.folder.n_finished, judged)


def look_once(root: Path, detect: Detect, silent_after: float) -> Look:
    """Return how the runs stand now; every one is judged. Raises LogError where the folder cannot be listed."""
    return Watch(root, detect, silent_after, unhurried=False).look()


def print_look(look: Look, root: Path) -> None:
    """Print one table."""
    console = Console(file=sys.stdout, highlight=False)
    console.print(draw(look.lines, look.n_finished, str(root)))


def keep_watching(watch: Watch, root: Path, each: Callable[[Look], None]) -> NoReturn:
    """Keep the table in a terminal current, until Ctrl-C; elsewhere print a line where something has happened.

    each: called after each look.
    """
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        _print_news(watch, each)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            look = watch.look()
            live.update(draw(look.lines, look.n_finished, str(root), console.height), refresh=True)
            each(look)
            time.sleep(SECONDS)


def _print_news(watch: Watch, each: Callable[[Look], None]) -> NoReturn:
    known: dict[str, tuple[WatchStatus, bool]] = {}
    while True:
        look = watch.look()
        for line in look.lines:
            state = (line.status, line.sharpened_step is not None)
            if line.has_news and known.get(line.run) != state:
                print(printable(f"{line.run}: {told(line)}"), flush=True)
            known[line.run] = state
        each(look)
        time.sleep(SECONDS)


def writer_of_page(out: Path | None, root: Path, detect: Detect, unhurried: bool) -> Callable[[Look], None]:
    """Return what keeps the page in a folder current; nothing where no folder is given."""
    if out is None:
        return lambda look: None
    from mstudy.watch.live_page import LivePage  # its libraries take a second

    page = LivePage(out, f"Runs under way in {root.name or root}", detect, unhurried)
    return lambda look: page.write(look.judged, summary(look.lines, look.n_finished, str(root)))
