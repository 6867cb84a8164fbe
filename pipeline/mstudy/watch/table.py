"""The table in a terminal. Its columns are laid out here, because rich's own table takes ten times as long."""

from __future__ import annotations

from rich.text import Text

from mstudy.core.errors import printable
from mstudy.core.statuses import WatchStatus
from mstudy.report.words import number, step
from mstudy.watch.lines import Line
from mstudy.watch.words import duration, fate, sharpened, summary

_COLUMNS = ("run", "b", "η_ef", "μ", "seed", "step", "loss", "κ / line", "left")
_AROUND = 4  # lines of a screen that are not of runs
_MAX_NAME = 40  # characters
_STYLES = {
    WatchStatus.RUNNING: "",
    WatchStatus.SILENT: "yellow",
    WatchStatus.UNREADABLE: "red",
    WatchStatus.DIVERGED: "red",
    WatchStatus.COMPLETED: "dim",
    WatchStatus.INTERRUPTED: "yellow",
    WatchStatus.GONE: "yellow",
}


def draw(lines: list[Line], n_finished: int, folder: str, height: int | None = None) -> Text:
    """Return the table and what it counts. height: of the screen; those of which there is news come first then."""
    shown = lines if height is None else lines[: max(height - _AROUND, 1)]
    words = Text(printable(summary(lines, n_finished, folder, len(lines) - len(shown))))
    if not lines:
        return words
    rows = [_COLUMNS, *map(_cells, shown)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_COLUMNS))]
    head, *plain = ("  ".join(_aligned(row, widths)) for row in rows)
    table = [_row(text, line) for text, line in zip(plain, shown, strict=True)]
    return Text("\n", overflow="ellipsis", no_wrap=height is not None).join([Text(head, style="bold"), *table, words])


def _cells(line: Line) -> tuple[str, ...]:
    of = "" if line.steps is None else f" / {step(line.steps)}"
    return (
        printable(line.run)[-_MAX_NAME:],
        *(step(line.batch_size), number(line.eta_ef), number(line.momentum), step(line.seed)),
        step(line.step) + of,
        *(number(line.loss), number(line.curvature_over_line)),
        "–" if line.seconds_left is None else duration(line.seconds_left),
    )


def _aligned(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """Return names on the left and numbers on the right of their columns."""
    name, *numbers = zip(cells, widths, strict=True)
    return [name[0].ljust(name[1]), *(text.rjust(width) for text, width in numbers)]


def _row(plain: str, line: Line) -> Text:
    happened, what = sharpened(line), fate(line)
    row = Text(plain, style="dim" if line.status == WatchStatus.COMPLETED else "")
    row.append(f"  {happened}" if happened else "", style="bold magenta")
    row.append(printable(f"{';' if happened else ' '} {what}" if what else ""), style=_STYLES[line.status])
    return row
