"""Truth: five runs by hand, of which one sharpens at step 10 and one leaves every ten steps after."""

import polars as pl
import pytest
from mstudy.report.sections.deferral import drawn_curves, numbers_at_risk
from mstudy.tables.contracts import SURVIVAL

METHOD = {"stratum": "all", "optimizer": "sgd", "momentum": 0.0}


@pytest.fixture
def survival():
    rows = [
        METHOD
        | {"step": 10.0 * k, "n_risk": 6 - k, "n_events": int(k == 1), "survival": 0.8, "ci_low": 0.2, "ci_high": 0.97}
        for k in range(1, 6)
    ]
    return SURVIVAL.frame(rows)


def test_a_curve_begins_with_all_and_ends_where_fewer_than_five_are_left(survival):
    curve = drawn_curves(survival)

    assert curve.select("step", "share", "low", "high").rows() == [(0.0, 1.0, 1.0, 1.0), (10.0, 0.8, 0.2, 0.97)]


def test_of_many_runs_a_tenth_must_be_left(survival):
    many = survival.with_columns(pl.col("n_risk") * 20 - 15)  # 85, 65, 45, 25, 5 of 85: 8 are a tenth

    assert drawn_curves(many)["step"].to_list() == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_at_risk_are_those_whose_time_has_not_passed(survival):
    counts = numbers_at_risk(survival, [0.0, 10.0, 11.0, 50.0, 51.0])

    assert counts["n"].to_list() == [5, 5, 4, 1, 0]
