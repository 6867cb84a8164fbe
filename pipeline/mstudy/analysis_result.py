"""The result of an analysis, for Python and notebooks: tables, claims, figures, the page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mstudy.core.errors import ConfigError
from mstudy.core.params import Analysis
from mstudy.report.results import Results
from mstudy.report.words import count
from mstudy.runlog.reading.reader import RunFolder

if TYPE_CHECKING:
    from mstudy.judged_claim import Claims
    from mstudy.report.pictures.write import Chart


@dataclass(frozen=True, eq=False)
class AnalysisResult(Mapping[str, pl.DataFrame]):
    """A finished analysis: a mapping from the name of a table to its frame, with claims and figures.

    logs: the runs that were analysed. results: all that was found. params: the parameters of the analysis.

    Example:
        >>> import mstudy
        >>> result = mstudy.analyze("runs/")
        >>> result["thresholds"].columns[:3]
        ['study', 'model', 'dataset']
        >>> result.claims["C1"].statement
        'Below the threshold, SGD and SGDM train alike.'
    """

    logs: RunFolder
    results: Results
    params: Analysis

    def __getitem__(self, table: str) -> pl.DataFrame:
        """Return a table by its name (docs/tables.md). Raises ConfigError for another name."""
        if table not in self.tables:
            raise ConfigError(f"A table must be one of {', '.join(self.tables)}, found {table!r}.")
        return self.results[table]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables."""
        return self.results.tables

    @cached_property
    def claims(self) -> Claims:
        """The claims by their identifiers, C1 to C8; `claims.frame` has one row a claim."""
        from mstudy.judged_claim import Claims  # its libraries take a second

        return Claims(self.results.claims)

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that this analysis has."""
        return tuple(self._specs)

    def figure(self, name: str) -> Chart:
        """Return a figure of the report as an altair chart, which a notebook shows.

        Raises ConfigError for a name that is not in `figures`.

        Example:
            >>> import mstudy
            >>> mstudy.analyze("runs/").figure("advantage").to_dict()["columns"]
            3
        """
        from mstudy.report.pictures.write import as_chart

        if name not in self._specs:
            raise ConfigError(f"A figure must be one of {', '.join(self._specs)}, found {name!r}.")
        return as_chart(self._specs[name])

    def write_report(self, path: str | Path) -> Path:
        """Write the page, one HTML file, and return its path. Raises LogError where the disk refuses."""
        from mstudy.report.page.render import write_report
        from mstudy.report.reproduction import Call

        call = Call(str(self.logs.source.root), "", params=None, skip_bad=bool(self.logs.left_out))
        write_report(self.results, self._points, Path(path), self.params, call)
        return Path(path)

    def _repr_html_(self) -> str:
        """Return what was analysed, and the verdicts as a table, which a notebook shows."""
        n_runs = count(len(self.logs.runs), "run")
        return f"<p>{n_runs}; tables: {html.escape(', '.join(self.tables))}.</p>{self.claims._repr_html_()}"

    @cached_property
    def _points(self) -> pl.DataFrame:
        """The curves of the runs that the report draws."""
        from mstudy.report.page.drawn_runs import drawn_runs

        return self.logs.series(drawn_runs(self.results, self.params.report))

    @cached_property
    def _specs(self) -> dict[str, dict[str, Any]]:
        from mstudy.report.pictures.write import picture_specs

        return picture_specs(self.results, self._points, self.params)
