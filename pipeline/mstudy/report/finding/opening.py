"""The opening of the page: the finding's sentences, and its pictures side by side."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from mstudy.core.params import Analysis
from mstudy.report.finding.pair import pair_figures
from mstudy.report.finding.sentences import Sentence, finding
from mstudy.report.finding.when_chart import when_figures
from mstudy.report.sections.base import Figure, Plate, ReportData
from mstudy.report.sections.event_verdicts import NOUNS, deciding


@dataclass(frozen=True)
class Opening:
    """sentences: at most three, the gravest first. plate: when and why, a figure for each setting and momentum."""

    sentences: list[Sentence]
    plate: Plate


def build_opening(data: ReportData, analysis: Analysis, drawn: Collection[str]) -> Opening:
    """Build the opening. drawn: the runs whose curves the page holds."""
    definition = deciding(analysis)
    when, why = when_figures(data), pair_figures(data, definition, drawn)
    if when and not why:
        told = f"In no pair were {NOUNS[definition]} and parting both seen, so there is no picture of why."
        why = [Figure("Why", told, pl.DataFrame())]
    return Opening(finding(data.results.claims), Plate("pictures", "", "", [*when, *why], wide=True))
