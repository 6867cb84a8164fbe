"""The page of the runs under way, OUT/live.html: the run explorer alone, which loads itself anew."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup

from mstudy.core.files import write_whole
from mstudy.core.params import Detect, Report
from mstudy.core.series import Series
from mstudy.detect.all_runs import Judged, tabulate
from mstudy.report.charts.theme import Palette
from mstudy.report.page.drawn_quantities import Drawn, words_for_points
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.explorer import build_explorer
from mstudy.report.page.render import page_data, palette_of, palette_of_runs, panel_specs, swatches, template
from mstudy.report.page.runs_table import runs_table
from mstudy.report.page.scripts import bundle
from mstudy.report.results import Results
from mstudy.report.sections.base import make_report_data
from mstudy.runlog.reading.reader import POINTS_SCHEMA
from mstudy.tables.contracts import RUNS, SHARPENING_EVENTS, SHARPENINGS, TABLES
from mstudy.watch.allowance import Allowance
from mstudy.watch.folder import Watched
from mstudy.watch.run import RunUnderWay

NAME = "live.html"
_SECONDS = 10  # between two loadings of the page, and between two writings at least
_SHARE = 0.01  # of a core, for writing it
_GAP = "gap"  # the panel that compares two finished runs
_HEADINGS = {"final loss": "loss"}

Shown = dict[str, tuple[Watched, Judged]]
Panels = list[tuple[str, str, Markup]]


class LivePage:
    """The page of a folder of runs. unhurried: whether it is written within its share of a core."""

    def __init__(self, out: Path, title: str, detect: Detect, unhurried: bool = True) -> None:
        self.path = out / NAME
        self._title, self._detect, self._unhurried = title, detect, unhurried
        self._allowance = Allowance(_SHARE)
        self._next = 0.0
        self._drawn: list[tuple[str, int, str]] | None = None  # what the page shows
        self._panels: dict[str, Panels] = {}

    def write(self, runs: Shown, summary: str) -> None:
        """Write the page where it is due and anything is new. Raises LogError where the disk refuses."""
        state = [(name, watched.run.n_rows, str(watched.status)) for name, (watched, _) in runs.items()]
        due = time.monotonic() >= self._next and self._allowance.is_left
        if state == self._drawn or (self._unhurried and not due):
            return
        with self._allowance.spent():
            write_whole(self.path, self._render(runs, summary).encode(), "The live page", self.path.parent)
        self._drawn, self._next = state, time.monotonic() + _SECONDS

    def _render(self, runs: Shown, summary: str) -> str:
        about = {"title": self._title, "summary": summary, "seconds": _SECONDS, "read": f"{datetime.now():%H:%M:%S}"}
        shown = self._explored(runs) if runs else {}
        return template("live.html", "mstudy.watch").render(**about, shown=bool(shown), **shown)

    def _explored(self, runs: Shown) -> dict[str, Any]:
        """Return what the template needs of runs."""
        results = _results(runs, self._detect)
        palette, study = palette_of_runs(results), make_report_data(results, palette_of(results))
        explorer = build_explorer(results, _points(runs, results), Report())
        listed = runs_table(results)
        headings = [[name, _HEADINGS.get(heading, heading), *more] for name, heading, *more in listed["headings"]]
        return {
            "explorer": explorer,
            "panels": self._panels_of(palette, explorer.drawn),
            "palette": swatches(palette),
            "words_for_points": words_for_points(explorer.drawn),
            "page": page_data(study, palette),
            "runs": listed | {"headings": headings},
            "bundle": Markup(bundle()),  # our own script; jinja would escape it
        }

    def _panels_of(self, palette: Palette, drawn: Drawn) -> Panels:
        """Return the charts without data, which stay while the optimizers and the quantities do."""
        key = str((palette, {panel: [quantity.name for quantity in of_panel] for panel, of_panel in drawn.items()}))
        if key not in self._panels:
            self._panels = {key: [panel for panel in panel_specs(palette, drawn) if panel[0] != _GAP]}
        return self._panels[key]


def _results(runs: Shown, detect: Detect) -> Results:
    """Return the tables of an analysis of the rows so far; those of comparisons are empty."""
    found = tabulate({name: judged for name, (_, judged) in runs.items()}, detect)
    rows = [_row(name, watched) for name, (watched, _) in runs.items()]
    frames = {table.name: table.frame([]) for table in TABLES}
    named = {RUNS.name: RUNS.frame(rows), SHARPENINGS.name: found.sharpenings, SHARPENING_EVENTS.name: found.events}
    return Results(frames | named)


def _row(name: str, watched: Watched) -> dict[str, object]:
    run = watched.run
    so_far = {"n_points": run.n_rows, "last_step": run.last_step, "final_loss": run.last("loss")}
    return {**run.row, "run_id": name, "status": watched.status.replace("_", " "), **so_far}


def _points(runs: Shown, results: Results) -> pl.DataFrame:
    """Return the rows of the runs that the page draws."""
    schema = pl.Schema({"run_id": pl.String()} | dict(POINTS_SCHEMA))
    drawn = [(name, runs[name][0].run) for name in drawn_runs(results, Report())]
    columns = {name: _joined(name, [run for _, run in drawn]) for name in schema.names()[2:]}
    rows = {"run_id": np.repeat([name for name, _ in drawn], [run.n_rows for _, run in drawn])}
    return pl.DataFrame(rows | {"step": np.concatenate([run.steps for _, run in drawn])} | columns, schema=schema)


def _joined(column: str, runs: list[RunUnderWay]) -> Series:
    return np.concatenate([run.column(column) for run in runs])
