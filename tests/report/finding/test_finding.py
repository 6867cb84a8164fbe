"""What the page opens with: the sentences for every verdict, and which pair and which lines the pictures show."""

import polars as pl
import pytest
from mstudy.core.params import Analysis
from mstudy.core.statuses import EventDefinition, Replication, Verdict
from mstudy.estimate.claims.all_claims import ALL_CLAIMS
from mstudy.report.charts.theme import colours
from mstudy.report.finding.opening import build_opening
from mstudy.report.finding.pair import pair_figures, typical
from mstudy.report.finding.sentences import TOLD, finding
from mstudy.report.finding.when_chart import when_figures
from mstudy.report.sections.base import make_report_data

PALETTE = colours([("sgd", 0.0), ("heavy_ball", 0.5), ("heavy_ball", 0.9)])
UNREPLICATED = {Verdict.AGREES, Verdict.DISAGREES, Verdict.UNCLEAR}


def claim(name, verdict, k=None, m=43):
    evidence = Replication.UNREPLICATED if verdict in UNREPLICATED else Replication.REPLICATED
    sides = None if k is None else {side: {"k": k, "m": m} for side in ("holds", "contradicts")}
    entry = {"id": name, "statement": f"Statement of {name}.", "verdict": verdict, "evidence": evidence}
    return entry | {"at_least": sides, "n_unit": "cells"}


def told(*claims):
    return [sentence.text for sentence in finding(claims)]


def test_every_claim_has_its_words():
    assert set(TOLD) == {claim.id for claim in ALL_CLAIMS}


@pytest.mark.parametrize(
    ("verdict", "sentences"),
    [
        (
            "supported",
            [
                "As the paper says, SGDM is better above the threshold (C2).",
                "Every claim is decided.",
                "No claim comes out against the paper.",
            ],
        ),
        (
            "mostly",
            [
                "As the paper says, SGDM is better above the threshold in at least 41 of 43 cells (C2).",
                "Every claim is decided.",
                "No claim comes out against the paper.",
            ],
        ),
        (
            "contradicted",
            [
                "Against the paper, SGDM is not better above the threshold in at least 41 of 43 cells (C2).",
                "No claim is shown to hold.",
                "Every claim is decided.",
            ],
        ),
        (
            "inconclusive",
            [
                "No claim is shown to hold.",
                "This study does not decide whether SGDM is better above the threshold (C2).",
                "No claim comes out against the paper.",
            ],
        ),
        (
            "untestable",
            [
                "No claim is shown to hold.",
                "This study cannot test whether SGDM is better above the threshold (C2).",
                "No claim comes out against the paper.",
            ],
        ),
        (
            "agrees",
            [
                "Without enough seeds for a verdict, these runs agree with the paper: SGDM is better above the "
                "threshold in at least 41 of 43 cells (C2).",
                "Every claim is decided.",
                "No claim comes out against the paper.",
            ],
        ),
        (
            "disagrees",
            [
                "Without enough seeds for a verdict, these runs speak against the paper: SGDM is not better above the "
                "threshold in at least 41 of 43 cells (C2).",
                "No claim is shown to hold.",
                "Every claim is decided.",
            ],
        ),
        (
            "unclear",
            [
                "No claim is shown to hold.",
                "Without enough seeds for a verdict, these runs leave open whether SGDM is better above the threshold "
                "(C2).",
                "No claim comes out against the paper.",
            ],
        ),
    ],
)
def test_each_verdict_has_its_sentence(verdict, sentences):
    assert told(claim("C2", Verdict(verdict), k=41)) == sentences


@pytest.mark.parametrize("verdict", ["agrees", "disagrees", "unclear"])
def test_a_sentence_without_seeds_looks_like_its_verdict(verdict):
    looks = [sentence.verdict for sentence in finding([claim("C2", Verdict(verdict))])]

    assert verdict in looks
    untested = finding([claim("C1", Verdict.UNCLEAR), claim("C2", Verdict.UNTESTABLE)])
    assert untested[1].verdict == "unclear"  # an untestable claim has no evidence of either kind
    both = [claim("C1", Verdict.SUPPORTED), claim("C2", Verdict.AGREES)]
    assert finding(both)[0].verdict == "supported"  # one claim of two has seeds


def test_what_speaks_against_comes_first_and_the_paper_before_what_lies_beyond():
    sentences = told(
        claim("C1", Verdict.SUPPORTED, k=37),
        claim("C6", Verdict.CONTRADICTED),
        claim("C3", Verdict.CONTRADICTED),
        claim("C4", Verdict.AGREES),
        claim("C7", Verdict.INCONCLUSIVE),
        claim("C8", Verdict.UNTESTABLE),
    )

    assert sentences == [
        "Against the paper, the advantage of momentum does not grow with the batch size (C3); beyond the paper, the "
        "best tuned SGD differs from the best tuned SGDM (C6).",
        "As the paper says, SGD and SGDM train alike below the threshold (C1); without enough seeds for a verdict, "
        "these runs agree with the paper: SGD and SGDM part at the moment of SGD's abrupt sharpening (C4).",
        "This study does not decide whether the stability limit moves with the batch size as the mean-square stability "
        "law predicts (C7); this study cannot test whether SGD and SGDM do not part without the abrupt sharpening "
        "(C8).",
    ]


def test_a_claim_beyond_the_eight_is_told_by_its_statement():
    assert told(claim("X1", Verdict.CONTRADICTED))[0] == "Beyond the paper, “Statement of X1” does not hold (X1)."
    assert told() == []


def _data(results, thresholds=None):
    return make_report_data(results if thresholds is None else results.having(thresholds=thresholds), PALETTE)


def test_the_picture_of_when_is_of_one_optimizer_with_a_line_for_each_batch_size(results):
    half, most = when_figures(_data(results))

    assert (half.momentum, most.momentum) == (0.5, 0.9)
    assert most.caption == (
        "Momentum begins to help at η_ef = 0.1 to 0.2: the threshold, known at 2 of 2 batch sizes (intervals within "
        "[0.05, 0.4], 95 %, 3 seeds a point). Inside the grey band SGD and SGDM count as equal."
    )
    assert half.caption.endswith("(3 seeds a point); a threshold can be estimated at 0 of 2 batch sizes.")
    (curves,) = [rows for rows in most.chart.to_dict()["datasets"].values() if "drawn_at" in rows[0]]
    assert {row["name"] for row in curves} == {"b = 16", "b = 64"} and {row["label"] for row in curves} == {
        "SGDM μ = 0.9"
    }
    # SGD diverged at b = 64, eta_ef = 0.4: that point stands at the upper edge.
    assert [(row["batch_size"], row["eta_ef"]) for row in curves if row["diverged"]] == [(64, 0.4)]


def test_what_rests_on_no_seeds_is_an_open_point(results):
    seedless = results["thresholds"].with_columns(evidence=pl.lit("unreplicated"))

    figure = when_figures(_data(results, seedless))[-1]

    rows = [row for rows in figure.chart.to_dict()["datasets"].values() for row in rows if "seedless" in row]
    assert all(row["seedless"] for row in rows) and len(rows) == 6 + 2
    assert "over learning rates, not over seeds" in figure.caption


def test_a_study_in_which_every_pair_diverged_is_drawn(results):
    fallen = results["advantage"].with_columns(n_diverged_sgd=pl.lit(3), log_ratio=pl.lit(3.0))

    (_, most) = when_figures(_data(results.having(advantage=fallen)))

    assert most.chart.to_dict()["layer"]


def test_the_pair_shown_is_the_one_of_median_lag(results):
    ids = results["runs"]["run_id"].to_list()

    half, most = pair_figures(_data(results), EventDefinition.SHARPENING, ids)

    # Three pairs part two steps after steps 100, 110 and 120: the lag is the median at 110, seed 1.
    assert most.pair.run_ids == ("b64-r0.2-m0.0-s1", "b64-r0.2-m0.9-s1")
    assert most.caption == (
        "SGD sharpens abruptly at step 110 [105, 115], and SGDM μ = 0.9 parts from it at step 112 [108, 116]. Of the 3 "
        "pairs at this momentum in which abrupt sharpening and parting were both seen, it is the one of median lag."
    )
    assert (half.momentum, half.batch_size) == (0.5, 64)
    few = pair_figures(_data(results), EventDefinition.SHARPENING, [name for name in ids if name.endswith("s2")])
    assert few[0].caption.endswith("it is the one of median lag among the 1 whose curves the page holds.")
    alone = results.having(openings=results["openings"].filter(seed=2))
    (only, _) = pair_figures(_data(alone), EventDefinition.SHARPENING, ids)
    assert only.caption.endswith(
        "It is the only pair at this momentum in which abrupt sharpening and parting were both seen."
    )
    assert pair_figures(_data(results), EventDefinition.SHARPENING, ()) == []


def test_of_two_pairs_the_lower_lag_is_shown():
    keys = {"batch_size": 16, "eta_ef": 0.1, "optimizer": "heavy_ball"}

    assert (
        typical(pl.DataFrame([keys | {"log_lag": lag, "seed": seed} for seed, lag in enumerate((0.5, 0.1))]))["seed"]
        == 1
    )


def test_without_a_pair_the_opening_says_so(results, empty):
    opening = build_opening(_data(results.having(openings=empty["openings"])), Analysis(), ())

    assert opening.plate.figures[-1].caption == (
        "In no pair were abrupt sharpening and parting both seen, so there is no picture of why."
    )
    assert build_opening(_data(results.having(advantage=empty["advantage"])), Analysis(), ()).plate.figures == []
