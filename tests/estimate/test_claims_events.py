"""Truth: the rules of docs/methods.md for C4, C5 and C8, applied by hand to small tables."""

import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.claims.c4_same_moment import judge_same_moment
from mstudy.estimate.claims.c5_deferred import judge_deferred
from mstudy.estimate.claims.c8_intervention import judge_intervention
from mstudy.tables.contracts import ALIGNMENT, DEFERRAL, INTERVENTIONS

from benchmarks.error_rates.evidence import evidence_of

KEYS = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "optimizer": "heavy_ball", "momentum": 0.9}


def align(permutation=0.01, equivalence=0.01, low=-0.02, high=0.02, n=6, reliability=0.9, shared=(0.5, 1.1)):
    common = {"scope": "all", "n_pairs": 5 * n, "n_moments": 5 * n, "n_cells": n, "n_parted": 50, "n_parted_seen": 40}
    common |= {"lag_low": low, "lag_high": high, "estimate": 0.0, "null": "", "decides": True}
    common |= {"reliability_parting": reliability, "reliability_sharpening": 0.95}
    rows = [
        {"statistic": "within_block_permutation", "p_value": permutation},
        {"statistic": "block_lag_equivalence", "p_value": equivalence},
        {"statistic": "within_block_slope", "estimate_low": shared[0], "estimate_high": shared[1]},
    ]
    return ALIGNMENT.frame([common | row for row in rows])


@pytest.mark.parametrize(
    ("verdict", "table", "words"),
    [
        ("supported", align(), "30 openings of 30 pairs in 6 blocks"),
        ("inconclusive", align(permutation=0.2), "association within blocks p = 0.2"),
        ("inconclusive", align(equivalence=0.2), "within 10% p = 0.2"),
        ("contradicted", align(equivalence=0.9, low=0.3, high=0.5), "beyond the tolerance"),
        ("contradicted", align(equivalence=0.9, low=-0.5, high=-0.3), "beyond the tolerance"),
        ("contradicted", align(permutation=0.6, shared=(-0.4, 0.3)), "does not part late"),
        # Associated all the same: a slope that is low is then a matter of its error.
        ("supported", align(shared=(-0.4, 0.3)), "30 pairs"),
        ("untestable", align(permutation=0.6, reliability=0.2, shared=(-0.4, 0.3)), "only an intervention could tell"),
        ("untestable", align(permutation=None), "differ between seeds are needed"),
        ("untestable", align(equivalence=None), "differ between seeds are needed"),
        ("untestable", align(n=2), "while 50 pairs part"),
    ],
)
def test_same_moment(verdict, table, words):
    answer = judge_same_moment(evidence_of(alignment=table), Estimate())

    assert answer.verdict == verdict
    assert words in answer.reason
    assert answer.reason.endswith(".")


def defer(p=0.01, score=3.0, momentum=0.9, informative=12, optimizer="heavy_ball"):
    row = {"stratum": "all", "optimizer": optimizer, "momentum": momentum, "n_sgd": 30, "n_sgdm": 30}
    row |= {"events_sgd": 9, "events_sgdm": 2, "events_sgdm_alone": 1, "only_sgd": 7, "only_sgdm": 0, "n_both": 2}
    return row | {"p_value": p, "score": score, "n_informative": informative, "hazard_ratio": 0.2}


@pytest.mark.parametrize(
    ("verdict", "rows", "words"),
    [
        ("supported", [defer()], "heavy_ball, mu = 0.9: 9 of 30 SGD runs and 2 of 30 SGDM runs"),
        ("supported", [defer(), defer(momentum=0.5)], "mu = 0.5"),
        ("inconclusive", [defer(), defer(0.3, momentum=0.5)], "p = 0.3"),
        ("inconclusive", [defer(0.03), defer(0.04, momentum=0.5)], "p = 0.06 after Holm over 2"),
        ("supported", [defer()], "sharpen abruptly, 1 of these where SGD had diverged and could not (within"),
        ("inconclusive", [defer(), defer(0.3, optimizer="nesterov")], "nesterov, mu = 0.9"),
        ("contradicted", [defer(score=-3.0)], "p = 0.01"),
        ("supported", [defer(), defer(1.0, momentum=0.5, informative=2)], "1 of 2 momenta have too few pairs"),
        ("untestable", [defer(0.0625, informative=5)], "at most 5 pairs differ"),  # 2^-4: no p-value below 0.0625
        ("untestable", [], "at most 0 pairs differ"),
    ],
)
def test_deferred(verdict, rows, words):
    answer = judge_deferred(evidence_of(deferral=DEFERRAL.frame(rows)), Estimate())

    assert answer.verdict == verdict
    assert words in answer.reason
    assert answer.reason.endswith(".")


def branches(
    gaps_branch, gap_parent=0.3, kind="smaller steps", sharpened=False, n_blocks=1, first=0, anyway=0.0, momentum=False
):
    """Branches, and their controls, where treatments take `anyway` of a gap of 0; None: without controls."""
    rows = []
    for seed, gap in enumerate(gaps_branch):
        for block in range(first, first + n_blocks):
            run = f"{kind}-{block}-{seed}"
            row = KEYS | {"batch_size": 8, "eta_ef": 0.1 * (block + 1), "seed": seed, "branch_run_id": run}
            row |= {"sgd_run_id": "a", "sgdm_run_id": "b", "intervention": kind, "intervention_step": 5}
            row |= {"gap_parent": gap_parent + 0.01 * seed + 0.003 * block, "gap_branch": gap + 0.002 * block}
            row |= {"by_momentum": momentum, "of_sgdm": False, "intervention_at": "sharpening"}
            rows.append(row | {"sharpened_parent": True, "sharpened_branch": sharpened})
            if anyway is not None:
                control = {"branch_run_id": f"{run} control", "intervention_at": "control", "gap_parent": 0.0}
                control |= {"gap_branch": -anyway, "sharpened_parent": False, "sharpened_branch": False}
                rows.append(row | control)
    return rows


GONE, STILL = (0.001, -0.002, 0.003, 0.0), (0.31, 0.29, 0.3, 0.28)


@pytest.mark.parametrize(
    ("verdict", "rows", "words"),
    [
        ("supported", branches(GONE), "n = 4 seeds"),
        ("supported", branches(GONE, n_blocks=3), "n = 3 blocks"),
        ("contradicted", branches(STILL), "+0.295"),
        ("inconclusive", branches((0.2, -0.2, 0.1, -0.1)), "smaller steps"),
        ("inconclusive", branches(GONE, gap_parent=0.0), "in none of 1 blocks is the gap of the runs left alone shown"),
        ("inconclusive", branches(GONE, gap_parent=0.02), "+0.035 with the sharpening and +0.001 without it; that"),
        # Blocks without a gap to lose are left out: the others decide.
        (
            "supported",
            branches(GONE, n_blocks=3) + branches(GONE, gap_parent=0.0, n_blocks=2, first=3),
            "n = 3 blocks; blocks without a gap to lose left out: 2)",
        ),
        ("supported", branches(GONE), "(p that it is beyond ±0.05: "),
        ("supported", branches(GONE), "(p that it is at most 0.05: "),
        ("contradicted", branches(GONE) + branches(STILL, kind="momentum"), "momentum: "),
        # It takes as much of a gap, or more, where there is none to take: it trains faster.
        ("inconclusive", branches(GONE, n_blocks=3, anyway=0.4), "-0.085 more than at the control time"),
        ("inconclusive", branches(GONE, n_blocks=3, anyway=None), "no branch from a control time"),
        ("inconclusive", branches(GONE, n_blocks=3, momentum=True), "with momentum it is SGDM"),
        ("supported", branches(GONE, kind="momentum", momentum=True) + branches(GONE), "momentum: "),
        ("contradicted", branches(STILL, n_blocks=3, anyway=None), "no branch from a control time"),
        ("untestable", branches(GONE, sharpened=True), "4 branches are here"),
        ("untestable", branches(GONE[:2]), "at least 3 seeds lose"),
        ("untestable", [], "it would take branches of SGD runs from just before their sharpening"),
    ],
)
def test_intervention(verdict, rows, words):
    answer = judge_intervention(evidence_of(interventions=INTERVENTIONS.frame(rows)), Estimate())

    assert answer.verdict == verdict
    assert words in answer.reason
    assert answer.reason.endswith(".")
