"""The table in a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mstudy.core.errors import printable
from mstudy.core.statuses import WatchStatus
from mstudy.report.words import number, step
from mstudy.watch.lines import Line
from mstudy.watch.words import duration, fate, sharpened, summary

_COLUMNS = ("run", "b", "η_ef", "μ", "seed", "step", "loss", "κ / line", "left", "")
_RIGHT = range(1, 9)
_AROUND = 4  # lines of a screen that are not of runs
_STYLES = {
    WatchStatus.RUNNING: "",
    WatchStatus.SILENT: "yellow",
    WatchStatus.UNREADABLE: "red",
    WatchStatus.DIVERGED: "red",
    WatchStatus.COMPLETED: "dim",
    WatchStatus.INTERRUPTED: "yellow",
    WatchStatus.GONE: "yellow",
}
_MAX_NAME = 40  # characters


def draw(lines: list[Line], n_finished: int, folder: str, height: int | None = None) -> Group:
    """Return the table and what it counts. height: of the screen; those of which there is news come first then."""
    shown = lines if height is None else lines[: max(height - _AROUND, 1)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(_COLUMNS):
        on_one_line = place in _RIGHT or height is not None
        table.add_column(name, justify="right" if place in _RIGHT else "left", no_wrap=on_one_line)
    for line in shown:
        table.add_row(*_cells(line))
    more = f"; {len(lines) - len(shown)} more are not shown" if len(shown) < len(lines) else ""
    words = Text(printable(summary(lines, n_finished, folder) + more))
    return Group(table, words) if lines else Group(words)


def _cells(line: Line) -> list[Text]:
    of = "" if line.steps is None else f" / {step(line.steps)}"
    plain = [
        printable(line.run)[-_MAX_NAME:],
        *(step(line.batch_size), number(line.eta_ef), number(line.momentum), step(line.seed)),
        step(line.step) + of,
        *(number(line.loss), number(line.curvature_over_line)),
        "–" if line.seconds_left is None else duration(line.seconds_left),
    ]
    said = Text(sharpened(line), style="bold magenta")
    what = fate(line)
    said.append(Text(printable(f"; {what}" if what and said else what), style=_STYLES[line.status]))
    return [*(Text(text, style="dim" if line.status == WatchStatus.COMPLETED else "") for text in plain), said]
