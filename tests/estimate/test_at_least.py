"""Truth: the ladder of verdicts and its bounds by hand."""

import json
from dataclasses import asdict

import pytest
from mstudy.core.params import Estimate
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims.all_claims import list_units
from mstudy.estimate.claims.at_least import AtLeast
from mstudy.estimate.claims.c8_intervention import judge_intervention
from mstudy.estimate.claims.claim import verdict_of
from mstudy.tables.contracts import BEST, CLAIM_UNITS, INTERVENTIONS, PLACEMENTS

from benchmarks.error_rates.evidence import evidence_of
from tests.estimate.test_claims import LINE, best, cell, judge
from tests.estimate.test_claims_events import GONE, branches

BATCH_SIZES = (8, 16, 32, 64, 128)
RATES = (0.02, 0.04, 0.08)
LOST = branches(GONE, n_blocks=12)


def cells(side, change=lambda b, rate, given: given):
    """Fifteen cells on one side, in all of which the claim of that side holds."""
    sure, not_sure = (0.001, 0.9) if side == "below" else (0.9, 0.001)
    return [change(b, rate, cell(b, rate, side, 0.0, sure, not_sure)) for b in BATCH_SIZES for rate in RATES]


def unsure(*where, **changes):
    def change(b, rate, given):
        return given | changes if (b, rate) in where else given

    return change


def below(*where, **changes):
    return judge(placements=cells("below", unsure(*where, **{"equivalence_p": 0.9, **changes})))["C1"]


def above(*where, **changes):
    return judge(placements=cells("above", unsure(*where, **{"superiority_p": 0.9, **changes})))["C2"]


@pytest.mark.parametrize("claim", [below, above])
@pytest.mark.parametrize(
    ("verdict", "where", "changes"),
    [
        ("supported", [], {}),
        ("mostly", [(8, 0.02)], {}),
        ("mostly", [(8, 0.02), (16, 0.02)], {}),
        ("inconclusive", [(8, 0.02), (16, 0.02), (32, 0.02)], {}),  # 12 of 15 are no more than 0.8
        ("inconclusive", [(8, rate) for rate in RATES[:2]] + [(16, 0.02)], {}),
        ("contradicted", [(8, 0.02)], {"inferiority_p": 0.0001}),
        ("mostly", [(8, 0.02)], {"inferiority_p": 0.01}),  # Holm: 15 * 0.01
    ],
)
def test_the_ladder_over_cells(claim, verdict, where, changes):
    assert claim(*where, **changes)["verdict"] == verdict


def test_a_batch_size_in_which_nothing_is_sure_keeps_most_from_being_said():
    doubled = [c | {"momentum": mu} for c in cells("below") for mu in (0.5, 0.9)]
    doubled = [c for c in doubled if not (c["batch_size"] == 8 and c["eta_ef"] > 0.02 and c["momentum"] == 0.5)]
    lost = [c | {"equivalence_p": 0.9} if c["batch_size"] == 8 else c for c in doubled]
    one_is_sure = [c | {"equivalence_p": 0.001} if c["eta_ef"] == 0.08 else c for c in lost]
    found = judge(placements=lost)["C1"], judge(placements=one_is_sure)["C1"]

    assert [(each["at_least"]["holds"]["k"], each["at_least"]["holds"]["m"]) for each in found] == [(24, 28), (25, 28)]
    assert [each["verdict"] for each in found] == ["inconclusive", "mostly"]


def test_a_line_without_a_cell_counts_among_all():
    """12 of 13 cells, but one more line has none: 12 of 14 is still most; with three such lines it is not."""
    placements = cells("below", unsure((8, 0.02), equivalence_p=0.9))[:13]
    lines = [{**LINE, "batch_size": 1000 * k, "status": "estimated"} for k in range(1, 4)]

    assert judge(placements=placements, thresholds=lines[:1])["C1"]["verdict"] == "mostly"
    assert judge(placements=placements, thresholds=lines)["C1"]["verdict"] == "inconclusive"


def test_every_line_without_a_cell_counts():
    """14 of 15 cells: with two more lines 14 of 17 is above 0.8, with three 14 of 18 is not."""
    placements = cells("below", unsure((8, 0.02), equivalence_p=0.9))
    lines = [{**LINE, "batch_size": 1000 * k, "status": "estimated"} for k in range(1, 4)]

    assert judge(placements=placements, thresholds=lines[:2])["C1"]["verdict"] == "mostly"
    assert judge(placements=placements, thresholds=lines)["C1"]["verdict"] == "inconclusive"


def test_bounds_are_of_all_cells_and_of_each_batch_size():
    at_least = above((8, 0.02), (16, 0.02), inferiority_p=0.9)["at_least"]

    assert at_least["holds"] == {"k": 13, "m": 15, "h": 2, "level": 0.05}
    assert at_least["contradicts"] == {"k": 0, "m": 15, "h": 15, "level": 0.05}
    assert at_least["by_batch_size"][0] == {"batch_size": 8, "k": 2, "m": 3, "contradicts": 0}
    assert [part["k"] for part in at_least["by_batch_size"]] == [2, 2, 3, 3, 3]
    assert [(part["momentum"], part["k"], part["m"]) for part in at_least["by_momentum"]] == [(0.9, 13, 15)]
    assert [(part["study"], part["k"], part["m"]) for part in at_least["by_study"]] == [("s", 13, 15)]
    assert at_least["sentence"] == (
        "SGDM is better in at least 13 of 15 cells; at b = 8 in at least 2 of 3; at b = 16 in at least 2 of 3; "
        "at b = 32 in at least 3 of 3; at b = 64 in at least 3 of 3; at b = 128 in at least 3 of 3."
    )


def test_the_contrary_has_its_bound():
    at_least = above(*((8, rate) for rate in RATES), inferiority_p=0.0001)["at_least"]

    assert at_least["contradicts"]["k"] == 3
    assert at_least["by_batch_size"][0]["contradicts"] == 3
    assert at_least["sentence"].endswith("; the contrary holds in at least 3 of 15.")


def test_c1_is_bounded_at_the_level_at_which_its_cells_are_tested():
    at_least = below((8, 0.02), equivalence_p=0.04)["at_least"]

    assert at_least["holds"] == {"k": 14, "m": 15, "h": 1, "level": pytest.approx(0.03)}
    assert "each tested at level 0.03" in below()["reason"]


def with_sums(doubtful, p_values):
    """C1 of fifteen cells, with what sums over cells say of each and its own p-value."""
    rows = [
        given | {"doubtful": n, "equivalence_p": p}
        for given, n, p in zip(cells("below"), doubtful, p_values, strict=True)
    ]
    return judge(placements=rows)["C1"]


def test_sums_over_cells_show_what_no_cell_shows_alone():
    found = with_sums([0] * 13 + [1, 2], [0.04] * 15)

    assert found["verdict"] == "mostly"
    assert found["at_least"]["holds"] == {"k": 13, "m": 15, "h": 2, "level": pytest.approx(0.03)}
    assert [part["k"] for part in found["at_least"]["by_batch_size"]] == [2, 2, 2, 2, 1]
    assert with_sums([None] * 15, [0.04] * 15)["at_least"]["holds"]["k"] == 0


def test_a_cell_that_its_own_test_does_not_show_is_doubtful():
    """Its sum with itself is another test, and both together would be too many."""
    assert with_sums([0] * 15, [0.001] * 14 + [0.04])["at_least"]["holds"]["k"] == 14


def test_cells_that_each_pass_alone_pass_together():
    assert with_sums(list(range(1, 16)), [0.03] * 15)["at_least"]["holds"]["k"] == 15


def test_cells_one_by_one_keep_a_twentieth_of_the_level_beside_sums():
    """Sums show nothing here; Simes at 0.03 would show fourteen cells either time, at 0.0015 it does so once."""
    assert with_sums(list(range(1, 16)), [0.0001] * 14 + [0.9])["at_least"]["holds"]["k"] == 14
    assert with_sums(list(range(1, 16)), [0.002] * 14 + [0.9])["at_least"]["holds"]["k"] == 0


def test_the_spread_that_cells_lend_each_other_decides_where_it_is_known():
    lent = [c | {"equivalence_p": 0.2, "pooled_equivalence_p": 0.001} for c in cells("below")]

    assert judge(placements=lent)["C1"]["verdict"] == "supported"


def test_the_contrary_of_equal_is_tested_both_ways():
    rows = [best(8, 0.9, superiority=0.04), best(16, 0.9, inferiority=0.03), best(32, None)]
    units = list_units(evidence_of(best=BEST.frame(rows)), Estimate())

    assert units["claim"].unique().to_list() == ["C6"]
    assert units["p_contradicts"].to_list() == pytest.approx([0.08, 0.06, 1.0])
    assert units["p_holds"].to_list() == [0.9, 0.9, 1.0]


def test_lines_can_mostly_be_equal():
    rows = [best(b, 0.2 if (b, mu) == (8, 0.5) else 0.001) | {"momentum": mu} for b in BATCH_SIZES for mu in (0.5, 0.9)]
    found = judge(best=rows)["C6"]

    assert found["verdict"] == "mostly"
    assert found["at_least"]["sentence"].startswith(
        "The best SGD and the best SGDM are equal in at least 9 of 10 lines; at b = 8 in at least 1 of 2;"
    )


def test_blocks_of_an_intervention_speak_where_they_have_seeds():
    rows = branches(GONE, n_blocks=3)
    alone = [row | {"eta_ef": 0.9} for row in branches(GONE)[:2]]
    evidence = evidence_of(interventions=INTERVENTIONS.frame(rows + alone))
    answer, units = judge_intervention(evidence, Estimate()), list_units(evidence, Estimate())

    assert answer.at_least.sentence == (
        "The gap is gone with the sharpening, by more than the treatment does anyway, in at least 3 of 3 blocks."
    )
    assert units["eta_ef"].to_list() == pytest.approx([0.1, 0.2, 0.3])
    assert units["intervention"].unique().to_list() == [rows[0]["intervention"]]


def test_blocks_can_mostly_lose_their_gap():
    """Of twelve blocks one keeps its gap at two of four seeds: the mean over blocks is then no more equivalent."""
    rows = [row | {"gap_branch": 4.0 * (row["seed"] > 1)} if row["eta_ef"] > 1.15 else row for row in LOST]

    answer = judge_intervention(evidence_of(interventions=INTERVENTIONS.frame(rows)), Estimate())

    assert (answer.at_least.holds.k, answer.at_least.holds.m) == (11, 12)
    assert answer.p_value > 0.05
    assert answer.verdict == "mostly"


def test_untestable_claims_have_no_bound():
    assert judge(placements=[])["C1"]["at_least"] is None
    assert list_units(evidence_of(), Estimate()).schema == CLAIM_UNITS.schema


def test_bounds_survive_json():
    placements = PLACEMENTS.frame(cells("above"))
    found = judge(placements=placements.to_dicts())["C2"]["at_least"]

    again = AtLeast.of_json(json.loads(json.dumps(found)))

    assert asdict(again) == found
    assert again.by_batch_size == found["by_batch_size"]


@pytest.mark.parametrize(
    ("supported", "contradicted", "mostly", "verdict"),
    [
        (True, True, True, Verdict.CONTRADICTED),
        (False, True, True, Verdict.CONTRADICTED),
        (True, False, True, Verdict.SUPPORTED),
        (False, False, True, Verdict.MOSTLY),
        (False, False, False, Verdict.INCONCLUSIVE),
    ],
)
def test_order_of_the_ladder(supported, contradicted, mostly, verdict):
    assert verdict_of(supported, contradicted, mostly) is verdict
