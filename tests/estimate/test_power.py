"""Truth: statsmodels' power of t tests; experiments drawn at the effect that is said to be seen."""

import re

import numpy as np
import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.claims.all_claims import ALL_CLAIMS, measure_power
from mstudy.estimate.claims.c4_same_moment import association_power, blocks_for_equivalence, coincidence_power
from mstudy.estimate.claims.c5_deferred import deferral_power
from mstudy.estimate.claims.power import power_equivalent, power_greater, smallest
from mstudy.estimate.event_times.coincidence_tests import Lag, Times
from mstudy.estimate.event_times.exchange import Moments, within_blocks
from mstudy.estimate.event_times.refused_tests import equivalence
from mstudy.tables.contracts import BEST, LAW, PLACEMENTS, TRENDS
from statsmodels.stats.power import TTestPower

from benchmarks.error_rates.evidence import evidence_of
from benchmarks.error_rates.experiments import CONSTANT_LAG, Coincidence, Deferral, draw_survival, draw_times

FEW = Estimate(resamples=200)


def test_power_of_one_mean_against_statsmodels():
    expected = TTestPower().power(effect_size=0.03 / 0.02, nobs=5, alpha=0.05, alternative="larger")

    assert power_greater(0.03, 0.02, 5, 0.05) == pytest.approx(expected)


def test_power_of_equivalence_against_experiments(rng):
    sample = rng.normal(0.01, 0.03, size=(20_000, 6))
    error, mean = sample.std(axis=1, ddof=1) / 6**0.5, sample.mean(axis=1)
    quantile = 2.015  # t, 5 degrees of freedom, 0.95
    equal = ((0.05 - mean) / error > quantile) & ((mean + 0.05) / error > quantile)

    assert power_equivalent(0.01, 0.05, 0.03, 6, 0.05) == pytest.approx(equal.mean(), abs=0.02)


def test_smallest_number_against_statsmodels():
    needed = TTestPower().solve_power(effect_size=0.6, alpha=0.05, power=0.8, alternative="larger")

    assert smallest(lambda n: power_greater(0.6, 1.0, n, 0.05), 3) == int(np.ceil(needed))
    assert smallest(lambda n: power_greater(0.01, 1.0, n, 0.05), 3) is None


LINE = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8} | {
    "optimizer": "heavy_ball",
    "momentum": 0.9,
}
SD = 0.02
HALF = SD * 2.776445 / 5**0.5  # Student's interval of five seeds: t, 4 degrees of freedom, 0.975


def spread(mean, **others):
    return {"n_seeds": 5, "log_ratio": mean, "ci_low": mean - HALF, "ci_high": mean + HALF} | others


def evidence(**tables):
    placements = [
        LINE | {"eta_ef": 0.1, "side": "below"} | spread(0.01, equivalence_p=0.01, superiority_p=1.0),
        LINE | {"eta_ef": 0.2, "side": "below"} | spread(0.00, equivalence_p=0.001, superiority_p=1.0),
        LINE | {"eta_ef": 0.9, "side": "above"} | spread(0.08, equivalence_p=0.9, superiority_p=0.02),
        # All runs diverged: no spread, but five seeds show it. Two seeds: no say.
        LINE | {"eta_ef": 1.8, "side": "above"} | spread(3.0, ci_low=3.0, ci_high=3.0, superiority_p=0.031),
        LINE | {"eta_ef": 3.6, "side": "above"} | spread(0.01, n_seeds=2, superiority_p=0.9),
    ]
    return evidence_of(**{"placements": PLACEMENTS.frame(placements)} | tables)


def power_of(given, claims=()):
    return {row["claim"]: row for row in measure_power(given, claims, FEW).iter_rows(named=True)}


def above(*ratios, n_seeds=4):
    """Cells above, the p-value of a cell without spread being the sign test's."""
    rows = [
        LINE
        | {"eta_ef": 0.9 * 2**k, "side": "above"}
        | spread(ratio, n_seeds=n_seeds, superiority_p=0.5**n_seeds if ratio == 3.0 else 0.001)
        | ({"ci_low": 3.0, "ci_high": 3.0} if ratio == 3.0 else {})
        for k, ratio in enumerate(ratios)
    ]
    return power_of(evidence_of(placements=PLACEMENTS.frame(rows)))["C2"]


def test_cells_in_which_sgd_diverged_at_every_seed_take_five_seeds():
    """2^-4 is above 0.05, 2^-5 is not: two sure cells do not make up for one that four seeds cannot show."""
    with_one, without, alone = above(0.5, 0.5, 3.0), above(0.5, 0.5), above(3.0, 3.0)

    assert (with_one["seeds_needed"], with_one["seeds_mostly"], with_one["n_units"]) == (5, 5, 3)
    assert (without["seeds_needed"], without["n_units"]) == (3, 2)
    assert (alone["seeds_needed"], alone["effect_80"], alone["observed"]) == (5, None, 3.0)


def test_mostly_takes_no_more_seeds_than_every_cell():
    """In 40 cells in which SGD diverged 33 would take 2^-8, each at a stricter level; all 40 take 2^-5."""
    many = above(*[3.0] * 40)

    assert (many["seeds_needed"], many["seeds_mostly"]) == (5, 5)


def coincidence(truth, seed):
    _, _, openings, events = draw_times(truth, np.random.default_rng(seed))
    return coincidence_power(evidence_of(openings=openings, sharpening_events=events), FEW)


def deferral(n_seeds, params=FEW):
    runs, sharpenings = draw_survival(Deferral(n_seeds=n_seeds), np.random.default_rng(0))
    return deferral_power(evidence_of(runs=runs, sharpenings=sharpenings), params)


def test_means_against_statsmodels():
    rows = power_of(evidence())

    d = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8, alternative="larger")
    assert rows["C2"]["effect_80"] == pytest.approx(0.05 + SD * d, rel=1e-4)
    n = TTestPower().solve_power(effect_size=0.03 / SD, alpha=0.05, power=0.8, alternative="larger")
    assert rows["C2"]["seeds_needed"] == int(np.ceil(n))
    d = TTestPower().solve_power(nobs=5, alpha=0.03, power=0.8, alternative="larger")  # 2 % go to placing the cells
    assert rows["C1"]["effect_80"] == pytest.approx(0.05 - SD * d, rel=0.01)
    assert rows["C1"]["seeds_needed"] == 5
    assert (rows["C1"]["n_units"], rows["C2"]["n_units"], rows["C1"]["observed"]) == (2, 2, 0.01)


def test_best_against_best_by_its_least_sure_line_inside_the_grid():
    lines = [
        LINE | {"status": "compared"} | spread(0.02, equivalence_p=0.04),
        LINE | {"status": "compared", "momentum": 0.5} | spread(0.01, equivalence_p=0.02),
        LINE | {"status": "at_edge", "momentum": 0.3} | spread(0.2, equivalence_p=1.0),
    ]

    row = power_of(evidence(best=BEST.frame(lines)))["C6"]

    d = TTestPower().solve_power(nobs=5, alpha=0.05, power=0.8, alternative="larger")
    assert row["effect_80"] == pytest.approx(0.05 - SD * d, rel=0.01)
    assert (row["n_units"], row["replicate"], row["observed"], row["seeds_needed"]) == (2, "lines", 0.02, 5)


def test_beyond_the_margin_no_number_of_seeds_shows_equality():
    line = LINE | {"status": "compared"} | spread(0.2, equivalence_p=1.0)

    row = power_of(evidence(best=BEST.frame([line])))["C6"]

    assert row["seeds_needed"] is None
    assert "outside the margin" in row["note"]


def test_the_law_s_exponent_from_its_interval():
    setting = {key: LINE[key] for key in ("study", "model", "dataset", "objective")}
    fitted = {"status": "fitted", "n_limits": 9, "exponent": 0.7, "exponent_low": 0.4, "exponent_high": 1.1}

    row = power_of(evidence(law=LAW.frame([setting | fitted])))["C7"]

    # (z_0.975 + z_0.8) standard errors, an interval being 2 z_0.975 of them.
    assert row["effect_80"] == pytest.approx((1.959964 + 0.841621) * 0.7 / (2 * 1.959964))
    assert (row["observed"], row["n_units"]) == (pytest.approx(0.3), 9)


def test_where_nothing_can_be_said_the_note_says_why():
    rows = power_of(evidence(placements=PLACEMENTS.frame([])))

    assert len(rows) == len(ALL_CLAIMS)
    for row in rows.values():
        assert row["effect_80"] is row["seeds_needed"] is None
        assert row["note"].startswith("not estimable")


def test_the_slope_comes_from_its_interval():
    keys = {key: LINE[key] for key in ("study", "model", "dataset", "objective", "optimizer", "momentum")}
    slope = {"slope": 0.01, "ci_low": -0.02, "ci_high": 0.04, "p_value": 0.3, "n_batch_sizes": 5, "decides": True}
    steeper = {"momentum": 0.5, "slope": 0.02, "ci_low": 0.019, "ci_high": 0.021}  # the smallest slope counts
    trends = TRENDS.frame([keys | {"quantity": "q"} | slope, keys | {"quantity": "q"} | slope | steeper])

    row = power_of(evidence(trends=trends), [{"id": "C3", "verdict": "inconclusive"}])["C3"]

    error = 0.03 / 3.182446  # t, 3 degrees of freedom, 0.975
    # (t_0.975 + t_0.8) standard errors, nearly; the noncentral t is a little above.
    assert (3.18 + 0.98) * error < row["effect_80"] < 1.15 * (3.18 + 0.98) * error
    assert (row["verdict"], row["seeds_needed"]) == ("inconclusive", None)


def test_coincidence_that_hardly_shows_needs_more_seeds():
    strong, weak = (coincidence(Coincidence(spread=s, error=0.05, n_seeds=4), 3) for s in (0.2, 0.05))

    assert strong.observed > 0.8 > weak.observed
    assert strong.seeds_needed == 3
    assert weak.seeds_needed is None or weak.seeds_needed >= 4
    assert 0.3 < strong.effect_80 < 0.8


@pytest.mark.parametrize(("mean", "error"), [(0.0, 0.05), (0.04, 0.03), (-0.05, 0.02)])
def test_blocks_for_a_small_lag_against_experiments(rng, mean, error):
    needed = blocks_for_equivalence(Lag(mean, error, 5.0), 6, FEW)

    def rate(k):
        lags = rng.normal(mean, error * 6**0.5, (1000, k))
        return np.mean([equivalence(each, FEW.lag_tolerance) <= FEW.alpha for each in lags])

    assert rate(needed) > 0.76
    assert rate(max(3, needed * 2 // 3)) < 0.8


@pytest.mark.parametrize(
    ("lag", "note"),
    [
        (1.3, r"to call a lag of \+(29|30|31)% small, over 50 blocks like these would be needed"),
        (1.0, "association within blocks; the blocks at hand suffice to call the lag small"),
    ],
)
def test_the_lag_has_a_say_in_what_would_settle_coincidence(lag, note):
    truth = Coincidence(link=CONSTANT_LAG, lag=lag)

    found = coincidence(truth, 1)

    assert re.fullmatch(note, found.note)
    assert (found.seeds_needed is None) == (lag > 1)


def test_blocks_without_a_lag_of_their_own_leave_nothing_to_plan_with():
    exact = Coincidence(error=0.0, diverged_share=0.0)  # both events at one step, to the digit

    found = coincidence(exact, 1)

    assert found.note == "not estimable: the blocks do not differ in their lag"
    assert found.seeds_needed is found.units_needed is None


def test_one_block_leaves_nothing_to_plan_with():
    found = coincidence(Coincidence(n_cells=1, diverged_share=0.0), 1)

    assert found.note == "not estimable: both events were seen in fewer than two blocks with two seeds"
    assert (found.n_units, found.effect_80, found.seeds_needed) == (1, None, None)


def test_power_of_association_against_the_test_itself(rng):
    cell, seed, zero = np.repeat(np.arange(5), 4), np.tile(np.arange(4), 5), np.zeros(20)
    rejected = []
    for _ in range(150):
        first, own = rng.normal(size=(2, 20))
        times = Times(0.6 * first + 0.8 * own, first, zero, zero, cell, cell, seed, zero, zero, 0 * cell)
        none = 0 * cell
        openings = Moments(times.parting, times.weight, cell, cell, seed, none, none)
        rises = Moments(first, times.weight, cell, none, seed, none, none)
        rejected.append(within_blocks(openings, rises, 99, rng)[1] <= 0.05)

    # The test's own statistic, a mean distance, is a little weaker than a covariance under normal times.
    assert association_power(0.6, 4, 5, 0.05, rng) == pytest.approx(np.mean(rejected), abs=0.12)


def test_the_deferral_that_could_be_seen_is_seen():
    found = deferral(n_seeds=4)

    assert 1.1 < found.effect_80 < 1.7
    assert found.n_units == 6


def test_a_stricter_level_asks_for_a_longer_deferral():
    usual, strict = (deferral(4, Estimate(resamples=200, alpha=alpha)) for alpha in (0.05, 0.001))

    assert strict.effect_80 > 1.1 * usual.effect_80
