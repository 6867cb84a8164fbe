"""The sections of the page in reading order: a new section is one file and one line here."""

from __future__ import annotations

from mstudy.core.params import Analysis
from mstudy.report.sections import (
    best,
    coincidence,
    deferral,
    definitions,
    interventions,
    power,
    stability_law,
    when,
)
from mstudy.report.sections.base import ReportData, Section, SectionSpec

SECTIONS: tuple[SectionSpec, ...] = (
    when.SECTION,
    definitions.SECTION,
    coincidence.SECTION,
    deferral.SECTION,
    interventions.SECTION,
    best.SECTION,
    stability_law.SECTION,
    power.SECTION,
)


def build_sections(data: ReportData, analysis: Analysis) -> list[Section]:
    """Build the sections that this study has something to show in."""
    built = (spec.build(data, analysis) for spec in SECTIONS)
    return [section for section in built if section is not None]


def section_of(claim: str) -> str | None:
    """Return the anchor of the section that answers a claim; None where no section does."""
    return next((spec.anchor for spec in SECTIONS if claim in spec.claims), None)
