"""Truth: the rules of docs/methods.md, applied by hand to small tables."""

import numpy as np
import polars as pl
import pytest
from mstudy.inference.claims.evidence import Evidence
from mstudy.inference.claims.judge import judge_claims
from mstudy.params import Estimate
from mstudy.tables import ADVANTAGE, ALIGNMENT, DEFERRAL, THRESHOLDS

LINE = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "optimizer": "heavy_ball", "momentum": 0.9}


def cell(b, eta_ef, ratio, equivalence, superiority, inferiority=0.9, **counts):
    counts = {"n_seeds": 5, "n_diverged_sgd": 0, "n_diverged_sgdm": 0, "n_diverged_both": 0} | counts
    tests = {"equivalence_p": equivalence, "superiority_p": superiority, "inferiority_p": inferiority}
    span = {"log_ratio": ratio, "ci_low": ratio - 0.01, "ci_high": ratio + 0.01}
    return {**LINE, "batch_size": b, "eta_ef": eta_ef, **span, **tests, **counts}


def threshold(b, star=0.1, status="estimated"):
    known = status == "estimated"
    span = {"ci_low": star * 0.8 if known else None, "ci_high": star * 1.2 if known else None}
    return {**LINE, "batch_size": b, "status": status, "eta_ef_star": star if known else None, **span}


def align(permutation, equivalence, low=-0.02, high=0.02, n=6):
    shared = {"scope": "all", "n_pairs": 5 * n, "n_cells": n, "lag_low": low, "lag_high": high, "estimate": 0.0}
    rows = [("within_block_permutation", permutation), ("block_lag_equivalence", equivalence)]
    return [{**shared, "statistic": s, "decides": True, "p_value": p, "null": ""} for s, p in rows]


def defer(p, sgd=50.0, sgdm=90.0, momentum=0.9):
    row = {"stratum": "all", "momentum": momentum, "n_sgd": 30, "n_sgdm": 30, "events_sgd": 9, "events_sgdm": 2}
    return row | {"p_value": p, "restricted_mean_sgd": sgd, "restricted_mean_sgdm": sgdm}


GOOD_CELLS = [
    cell(b, rate, ratio, 0.001, superior)
    for i, b in enumerate([8, 16, 32, 64, 128])
    for rate, ratio, superior in ((0.05, 0.0, 0.9), (0.2, 0.1 + 0.05 * i, 0.001))
]
GOOD_LINES = [threshold(b) for b in (8, 16, 32, 64, 128)]


def judge(cells=GOOD_CELLS, lines=GOOD_LINES, alignment=None, deferral=None):
    evidence = Evidence(
        ADVANTAGE.frame(cells),
        THRESHOLDS.frame(lines),
        ALIGNMENT.frame(alignment if alignment is not None else align(0.01, 0.01)),
        DEFERRAL.frame(deferral if deferral is not None else [defer(0.01)]),
    )
    return {claim["id"]: claim for claim in judge_claims(evidence, Estimate())}


def test_all_five_can_be_supported():
    claims = judge()

    assert {c: claim["verdict"] for c, claim in claims.items()} == dict.fromkeys(
        ["C1", "C2", "C3", "C4", "C5"], "supported"
    )
    assert claims["C3"]["estimate"] == pytest.approx(0.05)  # per doubling of b, by construction
    assert claims["C1"]["n"] == 5


def changed(rate, **changes):
    return [c | changes if c["eta_ef"] == rate and c["batch_size"] == 16 else c for c in GOOD_CELLS]


@pytest.mark.parametrize(
    ("claim", "verdict", "data"),
    [
        ("C1", "inconclusive", {"cells": changed(0.05, equivalence_p=0.2)}),
        ("C1", "contradicted", {"cells": changed(0.05, equivalence_p=0.9, superiority_p=0.001)}),
        ("C1", "untestable", {"lines": [threshold(b, status="below_grid") for b in (8, 16, 32, 64, 128)]}),
        ("C2", "inconclusive", {"cells": changed(0.2, superiority_p=0.3)}),
        ("C2", "contradicted", {"cells": changed(0.2, superiority_p=0.9, inferiority_p=0.001)}),
        ("C2", "untestable", {"lines": [threshold(b, status="above_grid") for b in (8, 16, 32, 64, 128)]}),
        ("C3", "untestable", {"cells": [c for c in GOOD_CELLS if c["batch_size"] > 8]}),
        ("C3", "untestable", {"lines": [threshold(b, status="insufficient") for b in (8, 16)]}),
        ("C3", "inconclusive", {"cells": [c | {"log_ratio": 0.1 * (c["batch_size"] in (8, 128))} for c in GOOD_CELLS]}),
        ("C3", "contradicted", {"cells": [c | {"log_ratio": 1 - 0.1 * np.log2(c["batch_size"])} for c in GOOD_CELLS]}),
        ("C4", "inconclusive", {"alignment": align(0.2, 0.01)}),
        ("C4", "contradicted", {"alignment": align(0.01, 0.9, low=0.3, high=0.5)}),
        ("C4", "contradicted", {"alignment": align(0.01, 0.9, low=-0.5, high=-0.3)}),
        ("C4", "untestable", {"alignment": align(None, 0.01)}),
        ("C4", "untestable", {"alignment": align(0.01, 0.01, n=2)}),
        ("C5", "inconclusive", {"deferral": [defer(0.01), defer(0.3, momentum=0.5)]}),
        ("C5", "contradicted", {"deferral": [defer(0.01, sgd=90.0, sgdm=50.0)]}),
        ("C5", "untestable", {"deferral": [defer(None)]}),
    ],
)
def test_a_claim_can_fail(claim, verdict, data):
    found = judge(**data)[claim]

    assert found["verdict"] == verdict
    assert found["reason"].endswith(".")


def test_every_momentum_must_show_the_trend():
    flat = [c | {"momentum": 0.5, "log_ratio": 0.1 * (c["batch_size"] in (8, 128))} for c in GOOD_CELLS]
    lines = [threshold(b) | {"momentum": mu} for b in (8, 16, 32, 64, 128) for mu in (0.5, 0.9)]

    assert judge(cells=GOOD_CELLS + flat, lines=lines)["C3"]["verdict"] == "inconclusive"


def test_seeds_below_the_minimum_have_no_say():
    assert judge(cells=[c | {"n_seeds": 2} for c in GOOD_CELLS])["C1"]["verdict"] == "untestable"


def test_nothing_to_judge_is_untestable_throughout():
    empty = ALIGNMENT.frame(align(None, None, n=0)).with_columns(pl.lit(0, pl.Int64).alias("n_cells"))
    evidence = Evidence(ADVANTAGE.frame([]), THRESHOLDS.frame([]), empty, DEFERRAL.frame([]))
    claims = judge_claims(evidence, Estimate())

    assert {claim["verdict"] for claim in claims} == {"untestable"}
