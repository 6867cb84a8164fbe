"""The list of claims is complete: each is a question with a judge, a power and a table of its own."""

import pytest
from mstudy.estimate.claims.all_claims import ALL_CLAIMS
from mstudy.tables.contracts import TABLES


def test_claims_are_in_order():
    ids = [claim.id for claim in ALL_CLAIMS]

    assert ids[:8] == ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"]
    assert ids == [f"C{k}" for k in range(1, len(ids) + 1)]


@pytest.mark.parametrize("claim", ALL_CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_is_a_sentence_with_a_judge_a_power_and_a_table(claim):
    assert claim.statement.endswith(".")
    assert callable(claim.judge)
    assert callable(claim.power)
    assert claim.table in TABLES


def test_no_two_claims_share_a_judge_or_a_power():
    assert len({claim.judge for claim in ALL_CLAIMS}) == len({claim.power for claim in ALL_CLAIMS}) == len(ALL_CLAIMS)
