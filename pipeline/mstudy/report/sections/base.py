"""The parts of the page: sections, their figures side by side, and how results fall into settings and batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl

from mstudy.core.losses.scale import Scale
from mstudy.core.losses.words import WORDS, ScaleWords
from mstudy.core.params import Analysis
from mstudy.report.charts.layered import Layered
from mstudy.report.charts.theme import Palette
from mstudy.report.results import Results
from mstudy.tables.contracts import RUNS
from mstudy.tables.table import SETTING


@dataclass(frozen=True)
class Moment:
    """A moment of a run, with its interval in steps."""

    name: str
    step: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairShown:
    """Two runs whose curves a figure draws over the steps, that of SGD first, and the moment that it marks of each."""

    run_ids: tuple[str, str]
    moments: tuple[Moment, Moment]


@dataclass(frozen=True)
class TimeShown:
    """The branches that leave a run at one of its steps. texts: the treatments. ends: of each, None for never."""

    name: str
    caption: str
    run_ids: tuple[str, ...]
    texts: tuple[str, ...]
    step: int
    ends: tuple[int | None, ...]


@dataclass(frozen=True)
class ParentShown:
    """A pair with the branches of its runs. run_ids: of SGD and SGDM. sharpens: when that of SGD does, if it does."""

    name: str
    run_ids: tuple[str, str]
    sharpens: Moment | None
    times: tuple[TimeShown, ...]


@dataclass(frozen=True)
class BranchesShown:
    """Pairs with branches, of which a reader picks one. first: the place of the one that is shown first."""

    parents: tuple[ParentShown, ...]
    first: int


@dataclass(frozen=True)
class Figure:
    """A chart (None where there is nothing to draw), its finding, and the numbers to open.

    setting: index of the setting it shows, None for all of them. batch_size, momentum: None for all. pair: runs whose
    curves the page draws instead of a chart. branches: likewise, with branches.
    """

    title: str
    caption: str
    numbers: pl.DataFrame
    chart: Layered | None = None
    setting: int | None = None
    batch_size: int | None = None
    momentum: float | None = None
    pair: PairShown | None = None
    branches: BranchesShown | None = None


@dataclass(frozen=True)
class Plate:
    """Figures that belong together, one picture when written to a file. name: of that file."""

    name: str
    title: str
    note: str
    figures: list[Figure]
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A question, its answer in a sentence, and what shows it."""

    anchor: str
    title: str
    answer: str
    plates: list[Plate] = field(default_factory=list)
    explorer: bool = False


@dataclass(frozen=True)
class ReportData:
    """What every section is made from. settings: model, data set and objective of each, by index. scale: how losses
    are compared. held: the runs whose curves the page holds.
    """

    results: Results
    palette: Palette
    settings: pl.DataFrame
    scale: Scale = Scale.LOG
    held: frozenset[str] = frozenset()

    @property
    def words(self) -> ScaleWords:
        """How sentences and charts name a comparison of losses."""
        return WORDS[self.scale]

    def batches(self, frame: pl.DataFrame) -> Iterator[tuple[int, int, pl.DataFrame]]:
        """Yield (index of the setting, batch size, rows) in order."""
        for index, rows in self.by_setting(frame):
            for part in rows.sort("batch_size").partition_by("batch_size", maintain_order=True):
                yield index, part["batch_size"][0], part

    def by_setting(self, frame: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield (index, rows) of each setting that has rows."""
        for index in range(len(self.settings)):
            rows = frame.join(self.settings[index], on=SETTING)
            if len(rows):
                yield index, rows

    def title(self, index: int, title: str) -> str:
        """Return the title with its setting before it, where there are several."""
        return title if len(self.settings) < 2 else f"{setting_name(self.settings, index)}: {title}"

    def in_setting(self, index: int) -> str:
        """Return the setting in brackets, where there are several."""
        return "" if len(self.settings) < 2 else f" ({setting_name(self.settings, index)})"


@dataclass(frozen=True)
class SectionSpec:
    """One section of the page: where it lies, which claims it answers, how it is built.

    build: returns None where the study has nothing that the section could show.
    """

    anchor: str
    claims: tuple[str, ...]
    build: Callable[[ReportData, Analysis], Section | None]


def make_report_data(
    results: Results, palette: Palette, scale: Scale = Scale.LOG, held: Iterable[str] = ()
) -> ReportData:
    """Return the settings in order of their names."""
    return ReportData(results, palette, results[RUNS].select(SETTING).unique().sort(SETTING), scale, frozenset(held))


def setting_name(settings: pl.DataFrame, index: int) -> str:
    """Say what tells settings apart: model, data set and objective, or the study's name where these are the same
    for all.

    All of it where some settings share them and others do not.
    """
    row = settings.row(index, named=True)
    kinds = len(settings.select(SETTING[1:]).unique())
    if kinds == len(settings):
        keys: tuple[str, ...] = SETTING[1:]
    else:
        keys = SETTING[:1] if kinds == 1 else SETTING
    return ", ".join(row[key] for key in keys if row[key]) or "runs"
