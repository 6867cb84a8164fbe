"""The sections of the page: each claim has one, and each anchor is its own."""

from collections import Counter

import pytest
from mstudy.estimate.claims.all_claims import ALL_CLAIMS
from mstudy.report.reading_order import SECTIONS, section_of


def test_each_claim_belongs_to_one_section():
    claims = Counter(claim for spec in SECTIONS for claim in spec.claims)

    assert claims == Counter(claim.id for claim in ALL_CLAIMS)


def test_each_anchor_is_its_own():
    assert len({spec.anchor for spec in SECTIONS}) == len(SECTIONS)


@pytest.mark.parametrize(("claim", "anchor"), [("C1", "when"), ("C4", "alignment"), ("no claim", None)])
def test_a_claim_leads_to_its_section(claim, anchor):
    assert section_of(claim) == anchor
