"""Truth: planted slopes; statsmodels' least squares."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import AT_RATE, AT_SHARE, OVER_LIMIT, PER_SAMPLE, THRESHOLD, measure_trends
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import STABILITY_LIMITS

from tests.estimate.tables import SETTING, runs_of

RATES = 0.01 * 2.0 ** np.arange(9)
BATCH_SIZES = (8, 16, 32, 64, 128)


def trends(slope=0.05, knee_per_doubling=0.0, limit_per_doubling=0.0, batch_sizes=BATCH_SIZES, diverged_at=9.0):
    """R = (0.3 + slope * doublings + wobble) * log(eta_ef / knee) above the knee, 0.1 at the middle b."""
    rng = np.random.default_rng(0)
    wobble = dict(zip(batch_sizes, rng.normal(0, 0.01, len(batch_sizes)), strict=True))

    def loss(b, rate, mu, seed):
        doublings = np.log2(b / 32)
        if mu == 0 and rate > diverged_at:
            return None
        up = max(np.log(rate / (0.1 * np.exp(knee_per_doubling * doublings))), 0.0)
        ratio = (0.3 + slope * doublings + wobble[b]) * up + 0.002 * np.sin(7 * seed + b + rate)
        return float(np.exp(ratio)) if mu == 0 else 1.0

    lines = rate_lines(runs_of(loss, RATES, batch_sizes=batch_sizes), Margins())
    sgd = SETTING | {"optimizer": "sgd", "momentum": 0.0, "status": "estimated"}
    edges = [
        sgd | {"batch_size": b, "eta_ef_max": 0.8 * np.exp(limit_per_doubling * np.log2(b / 32))} for b in batch_sizes
    ]
    thresholds = estimate_thresholds(lines, Margins(), Estimate())
    found = measure_trends(lines, thresholds, STABILITY_LIMITS.frame(edges), Estimate())
    return {row["quantity"]: row for row in found.iter_rows(named=True)}, lines, thresholds


def test_slope_and_test_are_those_of_statsmodels():
    found, lines, thresholds = trends()
    row = found[AT_RATE]
    shared = [float(rate) for rate in row["matched"].split(", ")]
    means = [line.mean[np.isin(line.eta_ef, shared)].mean() for line in lines]

    ols = sm.OLS(means, sm.add_constant(np.log2(BATCH_SIZES))).fit()

    assert row["slope"] == pytest.approx(ols.params[1])
    assert row["p_value"] == pytest.approx(ols.pvalues[1])
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(ols.conf_int(0.05)[1]))
    assert row["decides"]
    assert min(shared) >= thresholds["eta_ef_star"].min()


def test_a_planted_growth_is_found_and_per_sample_units_turn_the_sign():
    found, _, _ = trends(slope=0.05, knee_per_doubling=0.1)

    assert found[AT_RATE]["p_value"] < 0.05
    assert found[THRESHOLD]["slope"] == pytest.approx(0.1, abs=0.08)
    assert found[PER_SAMPLE]["slope"] == pytest.approx(found[THRESHOLD]["slope"] - np.log(2))


def test_at_shares_of_the_limit_a_shift_of_everything_with_b_is_no_trend():
    found, _, _ = trends(slope=0.0, knee_per_doubling=0.2, limit_per_doubling=0.2)

    assert found[AT_RATE]["slope"] < -0.03  # at the same eta_ef the later knee is behind
    assert abs(found[AT_SHARE]["slope"]) < 0.015
    assert found[OVER_LIMIT]["slope"] == pytest.approx(found[THRESHOLD]["slope"] - 0.2)


def test_a_share_beside_a_rate_at_which_something_diverged_is_not_matched():
    """Half of the middle limit is 0.4, between 0.32 and 0.64; a quarter of the largest one, 1.2, is below 0.32."""
    shift = {"slope": 0.0, "knee_per_doubling": 0.2, "limit_per_doubling": 0.2}

    assert trends(**shift)[0][AT_SHARE]["matched"] == "0.25, 0.5"
    assert trends(**shift, diverged_at=0.5)[0][AT_SHARE]["matched"] == "0.25"


def test_rates_at_which_something_diverged_are_not_matched():
    found, _, _ = trends(diverged_at=0.5)

    assert max(float(rate) for rate in found[AT_RATE]["matched"].split(", ")) == 0.32


def test_few_batch_sizes_have_no_slope():
    found, _, _ = trends(batch_sizes=BATCH_SIZES[:2])

    assert {row["slope"] for row in found.values()} == {None}
    assert found[AT_RATE]["n_batch_sizes"] == 2


def test_three_batch_sizes_have_one():
    """One degree of freedom: t is a Cauchy, whose upper tail is arctan(1/t)/pi."""
    found, lines, _ = trends(batch_sizes=BATCH_SIZES[:3])
    row = found[AT_RATE]
    shared = [float(rate) for rate in row["matched"].split(", ")]
    low, middle, high = (line.mean[np.isin(line.eta_ef, shared)].mean() for line in lines)
    slope, bend = (high - low) / 2, low - 2 * middle + high

    assert row["slope"] == pytest.approx(slope)
    assert row["at_largest"] == pytest.approx(high)
    t = abs(slope) / np.sqrt(bend**2 / 6 / 2)
    assert row["p_value"] == pytest.approx(2 * np.arctan(1 / t) / np.pi)


def test_a_slope_counts_as_none_where_its_wider_interval_lies_within_the_margin():
    """Two one-sided tests reject at p where the interval of level 1 - 2 p touches the margin."""
    found, lines, _ = trends(slope=0.0)
    row = found[AT_RATE]
    shared = [float(rate) for rate in row["matched"].split(", ")]
    means = [line.mean[np.isin(line.eta_ef, shared)].mean() for line in lines]
    low, high = sm.OLS(means, sm.add_constant(np.log2(BATCH_SIZES))).fit().conf_int(2 * row["flat_p"])[1]

    assert max(-low, high) == pytest.approx(Estimate().trend_margin)
    assert found[THRESHOLD]["flat_p"] is None


def test_one_rate_is_enough_for_a_slope():
    """log L_SGD / L_SGDM = 0.1 log2 b, exactly, at the only eta_ef there is: no threshold can be looked for."""
    runs = runs_of(lambda b, rate, mu, seed: b**0.1 if mu == 0 else 1.0, [0.1], batch_sizes=BATCH_SIZES)
    lines = rate_lines(runs, Margins())
    thresholds = estimate_thresholds(lines, Margins(), Estimate())
    found = measure_trends(lines, thresholds, STABILITY_LIMITS.frame([]), Estimate())
    row = found.filter(pl.col("quantity") == AT_RATE).row(0, named=True)

    assert (row["matched"], row["n_batch_sizes"]) == ("0.1", 5)
    assert row["slope"] == pytest.approx(0.1 * np.log(2))


def test_shares_of_one_limit_are_no_second_evidence():
    found, _, _ = trends(limit_per_doubling=0.15)  # exp(4 * 0.15) = 1.8: within an octave

    assert found[AT_SHARE]["slope"] is None
    assert "in one octave" in found[AT_SHARE]["matched"]


def test_without_a_threshold_nothing_is_matched():
    lines = rate_lines(runs_of(lambda *_: 1.0, RATES, batch_sizes=BATCH_SIZES), Margins())
    found = measure_trends(
        lines, estimate_thresholds(lines, Margins(), Estimate()), STABILITY_LIMITS.frame([]), Estimate()
    )

    assert found["n_batch_sizes"].to_list() == [0] * 5
    assert found.filter(pl.col("slope").is_not_null()).is_empty()
