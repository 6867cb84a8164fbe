"""The sections in reading order."""

from __future__ import annotations

from mstudy.core.params import Analysis
from mstudy.report import captions
from mstudy.report.sections.base import Section, Study
from mstudy.report.sections.beyond import best_section, law_section, power_section
from mstudy.report.sections.interventions import interventions_section
from mstudy.report.sections.moments import alignment_section, deferral_section, definitions_plate
from mstudy.report.sections.when import when_section


def build_sections(study: Study, analysis: Analysis) -> list[Section]:
    """When, why, alignment, deferral, and what lies beyond the paper; absent where its table is."""
    why = Section(
        "why",
        "Why: curvature and loss over time",
        captions.why_answer(study.results),
        [definitions_plate(study)],
        explorer=True,
    )
    sections = [
        when_section(study),
        why,
        alignment_section(study, analysis.estimate.lag_tolerance),
        deferral_section(study),
        interventions_section(study, analysis.margins.advantage),
        best_section(study, analysis.margins.advantage),
        law_section(study),
        power_section(study),
    ]
    return [section for section in sections if section is not None]
