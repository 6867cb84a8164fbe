"""Truth: the outermost cases of the estimates, by hand or by an independent route."""

from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.claims import c4_same_moment
from mstudy.estimate.claims.power import bisect_power
from mstudy.estimate.event_times.coincidence_tests import shared_part
from mstudy.estimate.event_times.deferral import hazard_ratio
from mstudy.estimate.rates.advantage_shapes import family_of
from mstudy.estimate.rates.stability_law import measure_limits
from mstudy.estimate.rates.thresholds import find_threshold
from mstudy.estimate.rates.trends import AT_SHARE
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import TABLES, TRENDS
from scipy import stats

from benchmarks.error_rates.experiments import Coincidence
from tests.estimate.tables import runs_of
from tests.estimate.test_claims import judge
from tests.estimate.test_coincidence_tests import times
from tests.estimate.test_deferral import paired
from tests.estimate.test_power import coincidence, evidence, power_of
from tests.estimate.test_stability_law import planted, runs_with_limits
from tests.estimate.test_trends import trends


def test_the_interval_of_the_shared_part_is_the_jackknife_over_blocks(rng):
    """Tukey's: the slope of least squares with one block left out each, its variance (K - 1)/K times its squares."""
    t = times(rng, n_blocks=6, n_seeds=5, link=0.8)

    def slope(kept):
        dummies = (t.cell[kept, None] == np.unique(t.cell[kept])).astype(float)
        return np.linalg.lstsq(np.column_stack([t.sharpening[kept], dummies]), t.parting[kept], rcond=None)[0][0]

    without = np.array([slope(t.block != block) for block in range(6)])
    half = stats.t.ppf(0.975, 5) * np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())

    whole = slope(t.block >= 0)
    assert shared_part(t, 0.05) == pytest.approx((whole, whole - half, whole + half))


def test_without_an_event_on_one_side_the_hazard_ratio_is_that_of_firths_penalty():
    """Finite, with an interval on one side of 1; without any event it is not told."""
    time = np.arange(5.0, 11.0)
    later = hazard_ratio(paired(time, time + 1, event_sgdm=False))
    sooner = hazard_ratio(paired(time, time + 1, event_sgd=False))

    assert later.by == sooner.by == "firth"
    assert 0 < later.low < later.ratio < later.high < 1 < sooner.ratio
    assert hazard_ratio(paired(time, time + 1, event_sgd=False, event_sgdm=False)).ratio is None


@pytest.mark.parametrize("width", [0.1, 0.2, 0.4, 0.8])
@pytest.mark.parametrize("distance", [-2, -1, 0])
def test_a_softened_shape_may_cross_before_its_knee(width, distance):
    x = np.log(0.01 * 2.0 ** np.arange(9))
    family = family_of(x)
    k = len(family.crossings) // 2
    knee = family.crossings[k] - distance * width

    expected = 1 - np.logaddexp(0, (x - knee) / width) / np.logaddexp(0, distance)

    assert np.isclose(family.values[k], expected).all(axis=1).sum() == 1


def test_a_threshold_between_the_two_lowest_rates_is_estimated():
    """Only the lowest cell may lie below the threshold; the next one is far beyond the margin of 0.05."""
    rates = 0.01 * 2.0 ** np.arange(9)

    def loss(b, rate, mu, seed):
        ratio = 0.3 * max(np.log(rate / 0.012), 0.0) + 0.01 * (seed - 2)
        return float(np.exp(ratio)) if mu == 0 else 1.0

    found = find_threshold(rate_lines(runs_of(loss, rates), Margins())[0], Margins(), Estimate())

    assert found.status == "estimated"
    assert found.ci_low < 0.012 * np.exp(0.05 / 0.3) < found.ci_high


def test_a_threshold_lies_before_the_rate_at_which_sgd_diverges_however_noisy_the_cells_are():
    rates = 0.01 * 2.0 ** np.arange(9)

    def loss(b, rate, mu, seed):
        if mu == 0 and rate > 0.3:
            return None
        return float(np.exp(0.1 * np.sin(5 * seed + 40 * rate))) if mu == 0 else 1.0

    found = find_threshold(rate_lines(runs_of(loss, rates), Margins())[0], Margins(), Estimate())

    assert found.status == "estimated"
    assert found.eta_ef_star < found.ci_high <= 0.32


def test_the_law_is_fitted_from_three_batch_sizes_and_two_momenta_on():
    three = measure_limits(runs_with_limits(planted, batch_sizes=(8, 16, 32)), Estimate())[1]
    one_momentum = measure_limits(runs_with_limits(planted, momenta=()), Estimate())[1]

    assert three["status"].to_list() == ["fitted"]
    assert one_momentum["status"].to_list() == ["insufficient"]


def test_the_smallest_noise_that_is_tried_bounds_limits_without_any():
    """Without noise the limits are those of the full batch; 0.003 is the smallest candidate."""
    row = measure_limits(runs_with_limits(lambda b, mu: planted(b, mu, noise=0.0)), Estimate())[1].row(0, named=True)

    assert row["noise_low"] == pytest.approx(0.003)
    assert row["noise"] <= row["noise_high"]


def test_the_exponent_moves_where_limits_move_and_only_there():
    """A likelihood ratio test of one degree of freedom against the exponent 0."""
    moves = measure_limits(runs_with_limits(planted), Estimate())[1].row(0, named=True)
    rests = measure_limits(runs_with_limits(lambda b, mu: planted(b, mu, 0.0)), Estimate())[1].row(0, named=True)

    assert moves["movement_p"] < 0.01
    assert 0.05 < rests["movement_p"] <= 1


@pytest.mark.parametrize("claim", ["C1", "C2", "C3", "C4", "C5", "C6", "C7"])
def test_where_there_is_nothing_to_judge_nothing_was_counted(claim):
    found = judge(**{table.name: [] for table in TABLES})[claim]

    assert (found["verdict"], found["n"]) == ("untestable", 0)


@pytest.mark.parametrize(("low", "at"), [(0.0, 0.37), (0.01, 0.37), (0.01, 0.02)])
def test_the_effect_at_which_the_power_passes_is_bisected(low, at):
    """Six halvings: to 1/64 of a width of 1, or in log of a factor of 100."""
    found = bisect_power(lambda effect: float(effect >= at), low, 1.0)

    assert at <= found <= at * 100 ** (1 / 64) + 1 / 64
    assert bisect_power(lambda effect: 0.5, low, 1.0) is None


def test_two_blocks_of_two_seeds_can_be_planned_with():
    found = coincidence(Coincidence(n_cells=2, n_seeds=2), 0)

    assert (found.n_units, found.n_seeds) == (2, 2)
    assert "fewer than two blocks" not in found.note


@pytest.mark.parametrize(("needed", "seeds_help"), [(5, True), (6, True), (7, False), (None, False)])
def test_seeds_settle_coincidence_only_where_the_blocks_suffice_for_the_lag(monkeypatch, needed, seeds_help):
    """Six blocks are at hand."""
    monkeypatch.setattr(c4_same_moment, "blocks_for_equivalence", lambda *_: needed)

    found = coincidence(Coincidence(spread=0.2, error=0.05, n_seeds=4), 3)

    assert found.n_units == 6
    assert (found.seeds_needed is not None) == seeds_help


def test_shares_are_matched_up_to_the_cells_about_them():
    """Limits are 0.8 at the middle b and 1.19 at the largest: half of that is below 0.64, and 1.28 is no matter."""
    found = trends(slope=0.0, limit_per_doubling=0.2, diverged_at=0.7)[0][AT_SHARE]

    assert found["matched"].split(", ")[-1] == "0.5"


def test_a_factor_on_all_partings_changes_no_shared_part(rng):
    t = times(rng, n_blocks=6, n_seeds=5, link=0.8)

    assert shared_part(replace(t, parting=t.parting + 7.0), 0.05) == pytest.approx(shared_part(t, 0.05))


def test_the_power_of_a_slope_is_that_of_students_t():
    """Five batch sizes leave three degrees of freedom; an interval of 0.95 is 2 * 3.182446 standard errors long."""
    keys = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "optimizer": "heavy_ball", "momentum": 0.9}
    slope = {"slope": 0.01, "ci_low": -0.02, "ci_high": 0.04, "p_value": 0.3, "n_batch_sizes": 5, "decides": True}

    row = power_of(evidence(trends=TRENDS.frame([keys | {"quantity": "q"} | slope])))["C3"]

    assert stats.nct.sf(3.182446, 3, row["effect_80"] / (0.03 / 3.182446)) == pytest.approx(0.8, abs=1e-4)
