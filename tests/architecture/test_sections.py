"""The sections of the page: each claim has one, each anchor is its own, and each chart has a name."""

from collections import Counter

import pytest
from mstudy.report.sections.reading_order import SECTIONS, section_of


def test_each_claim_belongs_to_one_section():
    claims = Counter(claim for spec in SECTIONS for claim in spec.claims)

    assert claims == Counter(f"C{k}" for k in range(1, 9))


def test_each_anchor_is_its_own():
    assert len({spec.anchor for spec in SECTIONS}) == len(SECTIONS)


@pytest.mark.parametrize(("claim", "anchor"), [("C1", "when"), ("C4", "alignment"), ("C9", None)])
def test_a_claim_leads_to_its_section(claim, anchor):
    assert section_of(claim) == anchor
