"""Truth: the rules of docs/methods.md, applied by hand to small tables."""

import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.claims.all_claims import ALL_CLAIMS, judge_claims
from mstudy.estimate.event_times.coincidence import measure_alignment
from mstudy.pairs.seed_tests import holm
from mstudy.tables.contracts import (
    BEST,
    LAW,
    OPENINGS,
    PARTINGS,
    PLACEMENTS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    STABILITY_LIMITS,
    THRESHOLDS,
    TRENDS,
)
from statsmodels.stats.multitest import multipletests

from benchmarks.error_rates.evidence import evidence_of

SETTING = {"study": "s", "model": "m", "dataset": "d", "objective": "o"}
LINE = SETTING | {"optimizer": "heavy_ball", "momentum": 0.9}
TABLES = (PLACEMENTS, THRESHOLDS, TRENDS, BEST, STABILITY_LIMITS, LAW)
# C4, C5 and C8 have their own file; nothing is known of them here.
NO_ALIGNMENT = measure_alignment(
    *(table.frame([]) for table in (PARTINGS, SHARPENINGS, OPENINGS, SHARPENING_EVENTS)), Estimate()
)


def cell(b, eta_ef, side, ratio, equivalence, superiority, inferiority=0.9, n_seeds=5):
    tests = {"equivalence_p": equivalence, "superiority_p": superiority, "inferiority_p": inferiority}
    span = {"log_ratio": ratio, "ci_low": ratio - 0.01, "ci_high": ratio + 0.01}
    return {**LINE, "batch_size": b, "eta_ef": eta_ef, "side": side, "n_seeds": n_seeds, **span, **tests}


def threshold(b, status="estimated"):
    return {**LINE, "batch_size": b, "status": status}


def trend(slope=0.05, p=0.001, momentum=0.9, quantity="advantage at matched eta_ef"):
    keys = {**LINE, "momentum": momentum, "quantity": quantity, "decides": "/" not in quantity}
    numbers = {"slope": slope, "ci_low": slope - 0.01, "ci_high": slope + 0.01, "p_value": p, "n_batch_sizes": 5}
    return keys | numbers | {"at_largest": 0.5}


def best(b, equivalence=0.001, superiority=0.9, inferiority=0.9, status="compared"):
    tests = {"equivalence_p": equivalence, "superiority_p": superiority, "inferiority_p": inferiority}
    tests |= {"sgd_eta_ef": 0.1, "sgdm_eta_ef": 0.2}
    return {**LINE, "batch_size": b, "status": status, "log_ratio": 0.01, "ci_low": -0.01, "ci_high": 0.03, **tests}


def law(exponent=(0.8, 1.2), equivalence=(0.85, 1.15), movement=0.001, misfit=0.5, status="fitted"):
    row = {
        **SETTING,
        "status": status,
        "n_limits": 10,
        "exponent": sum(exponent) / 2,
        "misfit_p": misfit,
        "exponent_p": 0.7,
    }
    row |= {"exponent_low": exponent[0], "exponent_high": exponent[1], "movement_p": movement}
    return row | {"exponent_equivalence_low": equivalence[0], "exponent_equivalence_high": equivalence[1]}


BATCH_SIZES = (8, 16, 32, 64, 128)
GOOD_CELLS = [
    cell(b, *rest) for b in BATCH_SIZES for rest in ((0.05, "below", 0.0, 0.001, 0.9), (0.2, "above", 0.3, 0.9, 0.001))
]
GOOD_LINES = [threshold(b) for b in BATCH_SIZES]
GOOD_BEST = [best(b) for b in BATCH_SIZES]
LIMIT = {**LINE, "batch_size": 8, "eta_ef_max": 0.5, "ci_low": 0.4, "ci_high": 0.6, "predicted": 0.45, "misfit": 0.1}

BEYOND = {**LINE, "batch_size": 16, "status": "above_grid", "predicted": 4.0}  # no limit, so no misfit


def judge(**tables):
    rows = {
        "placements": GOOD_CELLS,
        "thresholds": GOOD_LINES,
        "trends": [trend()],
        "best": GOOD_BEST,
        "stability_limits": [LIMIT, BEYOND],
        "law": [law()],
    } | tables
    tabled = {table.name: table.frame(rows[table.name]) for table in TABLES}
    evidence = evidence_of(alignment=NO_ALIGNMENT, **tabled)
    return {claim["id"]: claim for claim in judge_claims(evidence, Estimate())}


def test_all_can_be_supported():
    claims = judge()

    judged = ["C1", "C2", "C3", "C6", "C7"]
    assert list(claims) == [claim.id for claim in ALL_CLAIMS]
    assert {c: claims[c]["verdict"] for c in judged} == dict.fromkeys(judged, "supported")
    assert claims["C3"]["estimate"] == pytest.approx(0.05)
    assert claims["C1"]["n"] == 5
    assert claims["C7"]["ci"] == (0.8, 1.2)


def changed(rate, **changes):
    return [c | changes if c["eta_ef"] == rate and c["batch_size"] == 16 else c for c in GOOD_CELLS]


def only(side):
    return [c for c in GOOD_CELLS if c["side"] == side]


def test_limits_of_which_the_law_says_nothing_are_a_reason():
    found = judge(law=[law(status="no_formula")])["C7"]

    assert found["verdict"] == "untestable"
    assert found["reason"].endswith("; limits of optimizers of which the law says nothing are not counted.")
    assert "says nothing" not in judge(law=[law(status="insufficient")])["C7"]["reason"]


@pytest.mark.parametrize(
    ("claim", "verdict", "data"),
    [
        ("C1", "inconclusive", {"placements": changed(0.05, equivalence_p=0.2)}),
        ("C1", "inconclusive", {"placements": changed(0.05, equivalence_p=0.031)}),  # two fifths of 5 % go to placing
        ("C1", "supported", {"placements": changed(0.05, equivalence_p=0.029)}),
        ("C1", "inconclusive", {"placements": changed(0.05, equivalence_p=None)}),
        ("C1", "inconclusive", {"placements": GOOD_CELLS[2:]}),  # a line without a cell below
        ("C1", "contradicted", {"placements": changed(0.05, equivalence_p=0.9, superiority_p=0.001)}),
        ("C1", "contradicted", {"placements": changed(0.05, equivalence_p=0.9, inferiority_p=0.001)}),
        ("C1", "inconclusive", {"placements": changed(0.05, equivalence_p=0.9, inferiority_p=0.04)}),  # Holm
        ("C1", "untestable", {"placements": only("above")}),
        ("C2", "inconclusive", {"placements": changed(0.2, superiority_p=0.3)}),
        ("C2", "inconclusive", {"placements": GOOD_CELLS[2:]}),
        ("C2", "contradicted", {"placements": changed(0.2, superiority_p=0.9, inferiority_p=0.001)}),
        ("C2", "untestable", {"placements": only("below")}),
        ("C3", "untestable", {"trends": [trend() | {"slope": None, "p_value": None}]}),
        ("C3", "inconclusive", {"trends": [trend(p=0.3)]}),
        ("C3", "inconclusive", {"trends": [trend(), trend(p=0.3, momentum=0.5)]}),
        ("C3", "inconclusive", {"trends": [trend(-0.05, 0.04), trend(p=0.2, momentum=0.5)]}),  # Holm
        ("C3", "contradicted", {"trends": [trend(-0.05)]}),
        ("C3", "contradicted", {"trends": [trend(0.01, 0.06) | {"flat_p": 0.02}]}),
        ("C3", "supported", {"trends": [trend(0.01, 0.04) | {"flat_p": 0.02}]}),  # little, but it grows
        ("C3", "inconclusive", {"trends": [trend(0.01, 0.4) | {"flat_p": 0.03}]}),  # Holm
        ("C3", "inconclusive", {"trends": [trend() | {"at_largest": 0.05}]}),  # not beyond the margin
        ("C3", "inconclusive", {"trends": [trend(), trend(momentum=0.5) | {"at_largest": -0.1}]}),
        ("C3", "contradicted", {"trends": [trend(-0.05) | {"at_largest": -0.1}]}),
        ("C3", "supported", {"trends": [trend(), trend(-0.05, quantity="advantage at matched eta_ef / eta_ef_max")]}),
        ("C6", "inconclusive", {"best": [*GOOD_BEST[1:], best(8, 0.2)]}),
        ("C6", "contradicted", {"best": [*GOOD_BEST[1:], best(8, 0.9, superiority=0.001)]}),
        ("C6", "contradicted", {"best": [*GOOD_BEST[1:], best(8, 0.9, inferiority=0.001)]}),
        ("C6", "supported", {"best": [*GOOD_BEST[1:], best(8, 0.9, 0.001, status="at_edge")]}),
        ("C6", "untestable", {"best": [best(8, status="at_edge")]}),
        ("C7", "inconclusive", {"law": [law(equivalence=(0.3, 1.1))]}),
        ("C7", "inconclusive", {"law": [law(movement=0.2)]}),
        ("C7", "contradicted", {"law": [law(misfit=0.01)]}),
        ("C7", "contradicted", {"law": [law(exponent=(0.0, 0.4), equivalence=(0.1, 0.35))]}),
        ("C7", "contradicted", {"law": [law(exponent=(1.6, 2.0), equivalence=(1.7, 1.9))]}),
        ("C7", "untestable", {"law": [law(status="insufficient")]}),
    ],
)
def test_a_claim_can_fail(claim, verdict, data):
    found = judge(**data)[claim]

    assert found["verdict"] == verdict
    assert found["reason"].endswith(".")


def test_holm_against_statsmodels():
    p_values = [0.04, 0.001, 0.3, 0.012, 0.012, 0.9]

    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_a_line_without_a_cell_is_named():
    assert "no cell could be placed there for b = 8, mu = 0.9" in judge(placements=GOOD_CELLS[2:])["C1"]["reason"]


def test_lines_beyond_the_grid_need_no_cells_there():
    lines = [threshold(8, "below_grid"), *GOOD_LINES[1:]]

    assert judge(placements=GOOD_CELLS[1:], thresholds=lines)["C1"]["verdict"] == "supported"


def test_the_limit_farthest_from_the_law_is_told():
    assert "farthest from it: b = 8, mu = 0.9, measured 0.5 [0.4, 0.6], predicted 0.45" in judge()["C7"]["reason"]


def test_lines_at_an_edge_are_counted():
    assert (
        "1 lines whose best lies at an end" in judge(best=[*GOOD_BEST[1:], best(8, status="at_edge")])["C6"]["reason"]
    )


def test_the_trend_at_shares_is_told():
    told = judge(trends=[trend(), trend(0.02, quantity="advantage at matched eta_ef / eta_ef_max of SGD")])["C3"]

    assert "stability limit by +0.020 [+0.010, +0.030]" in told["reason"]


def test_a_trend_of_the_threshold_is_told_where_there_is_one():
    """ln 1.033 a doubling is 3.3 %; two rows, so that p = 0.03 does not reach 5 % after Holm."""
    moving = trend(0.03247, 0.007, momentum=0.5, quantity="log eta_ef*")
    still = trend(-0.05, 0.06, quantity="log eta_ef*")

    told = judge(trends=[trend(), moving, still])["C3"]["reason"]
    assert told.endswith(". The threshold rises by 3.3 % per doubling of b (heavy_ball, mu = 0.5, p = 0.007).")
    assert "The threshold" not in judge(trends=[trend(), moving | {"p_value": 0.03}, still])["C3"]["reason"]
    assert "falls by 4.9 %" in judge(trends=[trend(), still | {"p_value": 0.01}])["C3"]["reason"]


def test_a_slope_that_is_shown_to_be_small_is_told():
    """Two entries in the family: 2 * 0.02."""
    reason = judge(trends=[trend(0.001, 0.6) | {"flat_p": 0.02}])["C3"]["reason"]

    assert reason.endswith(
        " A slope is shown to be smaller than 0.02 in size (p = 0.04 after Holm), which counts as none."
    )
    assert "counts as none" not in judge(trends=[trend(0.001, 0.6) | {"flat_p": 0.03}])["C3"]["reason"]


def test_seeds_below_the_minimum_have_no_say():
    assert judge(placements=[c | {"n_seeds": 2} for c in GOOD_CELLS])["C1"]["verdict"] == "untestable"


def test_nothing_to_judge_is_untestable_throughout():
    nothing = {table.name: [] for table in TABLES}

    assert {claim["verdict"] for claim in judge(**nothing).values()} == {"untestable"}


def test_a_contradiction_of_the_best_is_named_by_the_line_surest_to_differ():
    lines = [best(8, 0.9, superiority=0.3), best(16, 0.8, superiority=1e-6), best(32, 1.0, inferiority=0.01)]

    claim = judge(best=lines)["C6"]

    assert "; the surest to differ is b = 16, mu = 0.9" in claim["reason"]
    assert "least sure" not in claim["reason"] + claim["unit"]
    assert claim["p_value"] == pytest.approx(6e-6)  # Holm over three lines either way
    assert "; the least sure is b = 8" in judge(best=[best(8, 0.2), *GOOD_BEST[1:]])["C6"]["reason"]


@pytest.mark.parametrize(
    ("claim", "side", "changes", "which", "p"),
    [
        ("C1", (0.05, "below"), {"equivalence_p": 0.7, "superiority_p": 1e-6}, "surest to differ", 2 * 5e-6),
        ("C1", (0.05, "below"), {"equivalence_p": 0.7, "inferiority_p": 1e-6}, "surest to differ", 2 * 5e-6),
        ("C2", (0.2, "above"), {"superiority_p": 0.7, "inferiority_p": 1e-6}, "surest to be worse", 5e-6),
    ],
)
def test_a_contradiction_over_cells_is_named_by_the_surest_cell(claim, side, changes, which, p):
    """Another cell is even less sure to hold, and does not contradict; Holm over five cells, for C1 either way."""
    unsure = [
        c | {"equivalence_p": 1.0, "superiority_p": 1.0} if c["batch_size"] == BATCH_SIZES[-1] else c
        for c in changed(side[0], **changes)
    ]
    assert len(BATCH_SIZES) == 5
    told = judge(placements=unsure)[claim]

    assert told["verdict"] == "contradicted"
    assert f"; the {which} is b = 16, eta_ef = {side[0]}, mu = 0.9" in told["reason"]
    assert told["unit"] == f"log L_SGD / L_SGDM in the cell that is {which}"
    assert told["p_value"] == pytest.approx(p)
    assert "least sure" not in told["reason"]


def test_the_law_is_told_by_the_test_of_its_exponent_and_by_that_of_its_misfit():
    claim = judge()["C7"]

    assert "(that it is the law's 1: p = 0.7; all of the interval beyond 1 ± 0.5 would contradict)" in claim["reason"]
    assert "that the law fits, against any misfit of the limits at all: p = 0.5" in claim["reason"]
    assert claim["p_value"] == 0.7
    assert claim["statement"].startswith("The stability limit moves with b")
