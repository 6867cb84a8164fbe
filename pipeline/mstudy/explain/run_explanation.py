"""The explanation of one run, for Python and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from mstudy.core.params import Detect
from mstudy.explain.page import explain_in_words, picture_of, write_explanation
from mstudy.report.pictures.write import Chart, as_chart
from mstudy.runlog.reading.reader import RunFolder, read_run


@dataclass(frozen=True)
class RunExplanation:
    """How abrupt sharpening was judged in one run. `print` gives words, a notebook shows the chart.

    folder: the one run. detect: the parameters of the detector.
    """

    folder: RunFolder
    detect: Detect

    def __str__(self) -> str:
        return explain_in_words(self.folder, self.detect)

    @property
    def chart(self) -> Chart:
        """The series, the runs without a jump that it was held against, and the candidates, as an altair chart."""
        return as_chart(picture_of(self.folder, self.detect))

    def write(self, path: str | PathLike[str]) -> Path:
        """Write a page or a picture: .html, .png or .svg. Raises ConfigError for another ending."""
        write_explanation(self.folder, Path(path), self.detect)
        return Path(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """Return what a notebook shows: the chart."""
        return self.chart._repr_mimebundle_(include=include, exclude=exclude)


def explain(run: str | PathLike[str], detect: Detect | None = None) -> RunExplanation:
    """Explain how abrupt sharpening was judged in one run. run: the path of its log.

    Raises LogError where the log cannot be used.

    Example:
        >>> import mstudy
        >>> print(str(mstudy.explain("runs/a.parquet")).split(":")[0])
        SGD, b = 8, η_ef = 0.2, seed 0 (a)
    """
    return RunExplanation(read_run(Path(run)), detect or Detect())
