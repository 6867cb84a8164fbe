"""Truth: lines of one seed with planted noise; Student's tests of scipy; a sweep of another group, by hand."""

import numpy as np
import pytest
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.brackets import find_bracket
from mstudy.estimate.rates.rate_noise import noise_over_rates
from mstudy.estimate.rates.thresholds import estimate_thresholds, threshold_over_rates
from mstudy.estimate.rates.unreplicated_cells import measure_over_rates
from mstudy.pairs.rate_lines import rate_lines
from scipy import stats

from tests.estimate.tables import runs_of

RATES = 0.01 * 2.0 ** np.arange(10)
MARGIN = Margins().advantage


def line(ratios, rates=RATES, n_seeds=1):
    """SGDM's loss is 1; the logarithm of SGD's is the ratio, None where it diverged."""
    ratio_at = dict(zip(np.asarray(rates).tolist(), ratios, strict=True))

    def loss(b, rate, mu, seed):
        ratio = ratio_at[rate]
        return 1.0 if mu > 0 else None if ratio is None else float(np.exp(ratio + 0.001 * seed))

    return rate_lines(runs_of(loss, np.asarray(rates).tolist(), n_seeds), Margins())[0]


def test_the_noise_is_that_which_was_planted_on_any_straight_line():
    rng = np.random.default_rng(0)
    found = [noise_over_rates(line(0.01 * np.arange(10) + rng.normal(0, 0.02, 10))).sd.min() for _ in range(400)]

    # A cell's noise is never below that near it, so the least is a little above what was planted.
    assert 0.02 <= np.sqrt(np.mean(np.square(found))) <= 0.024


def test_the_bend_at_the_threshold_is_no_noise():
    """Far from it, cells have the noise of a straight line."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 10)
    bent = noise_over_rates(line(0.2 * np.maximum(np.arange(10) - 6, 0) + noise)).sd
    straight = noise_over_rates(line(noise)).sd

    assert bent[:4] == pytest.approx(straight[:4], rel=0.5)
    assert bent[6] > 4 * straight[6]


def test_seven_rates_say_nothing_of_noise():
    assert noise_over_rates(line(np.zeros(7), RATES[:7])) is None
    assert measure_over_rates([line(np.zeros(7), RATES[:7])], Margins(), Estimate()).is_empty()


def test_tests_and_interval_are_students():
    found = line(np.random.default_rng(1).normal(0.06, 0.02, 10))
    noise = noise_over_rates(found)
    t = stats.t(noise.freedom)
    row = measure_over_rates([found], Margins(), Estimate()).row(3, named=True)
    ratio, sd = found.mean[3], noise.sd[3]

    assert row["superiority_p"] == pytest.approx(t.sf((ratio - MARGIN) / sd))
    assert row["inferiority_p"] == pytest.approx(t.cdf((ratio + MARGIN) / sd))
    assert row["equivalence_p"] == pytest.approx(max(t.cdf((ratio - MARGIN) / sd), t.sf((ratio + MARGIN) / sd)))
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((ratio + sd * t.ppf(0.025), ratio + sd * t.ppf(0.975)))


def test_a_threshold_without_seeds_covers_the_planted_one():
    rng = np.random.default_rng(0)
    hinge = 0.2 * np.maximum(np.log(RATES / 0.1), 0)
    lines = [line(hinge + rng.normal(0, 0.01, 10)) for _ in range(40)]
    found = [threshold_over_rates(each, Margins(), Estimate()) for each in lines]

    known = [f for f in found if f.status == "estimated"]
    assert len(known) >= 35
    assert np.mean([f.ci_low <= 0.1 * np.exp(0.25) <= f.ci_high for f in known]) >= 0.9


def test_what_the_table_says_of_a_line_of_one_seed_is_not_called_replicated():
    rng = np.random.default_rng(0)
    one = line(0.4 * np.maximum(np.log(RATES / 0.1), 0) + rng.normal(0, 0.005, 10))
    many = line(0.4 * np.maximum(np.log(RATES / 0.1), 0), n_seeds=3)
    rows = estimate_thresholds([one, many], Margins(), Estimate())
    cells = measure_over_rates([one, many], Margins(), Estimate())

    assert rows["evidence"].to_list() == ["unreplicated", "replicated"]
    assert rows["status"].to_list() == ["estimated", "estimated"]
    assert (len(cells), set(cells["n_seeds"])) == (10, {1})
    assert cells.filter(side="below")["eta_ef"].max() < rows["ci_low"][0]
    assert cells.filter(side="above")["eta_ef"].min() > rows["ci_high"][0]


def test_the_bracket_of_few_rates_is_where_sgd_ceases_to_train():
    assert find_bracket(line([0.0, 0.9, None, None], RATES[:4]), Margins(), Estimate()) == (RATES[1], RATES[2])
    assert find_bracket(line([0.0, 0.9], RATES[:2]), Margins(), Estimate()) == (RATES[1], None)


def test_the_bracket_with_seeds_is_of_what_is_shown():
    """Seeds 0.001 apart: 0 is alike, 0.0495 is neither, 0.3 is better; what follows the first better is not asked."""
    assert find_bracket(line([0.0, 0.0495, 0.3, 0.0], RATES[:4], 3), Margins(), Estimate()) == (RATES[0], RATES[2])
    assert find_bracket(line([0.3, 0.3], RATES[:2], 3), Margins(), Estimate()) == (None, RATES[0])


def test_a_published_sweep_of_one_seed():
    """log L_SGD / L_SGDM by learning rate, DeepOBS's cifar10_3c3d (Schneider et al. 2019); SGD diverges from 0.1."""
    ratios = {0.001: -0.002, 0.00158: 0.001, 0.00251: 0.004, 0.00398: 0.011, 0.00631: 0.018, 0.01: 0.03}
    ratios |= {0.0158: 0.043, 0.0251: 0.055, 0.0398: 0.073, 0.0631: 0.069, 0.1: None, 0.158: None}
    found = line(ratios.values(), list(ratios))
    (row,) = estimate_thresholds([found], Margins(), Estimate()).iter_rows(named=True)

    assert (row["status"], row["evidence"]) == ("estimated", "unreplicated")
    assert 0.005 < row["ci_low"] < 0.0251 < row["ci_high"] <= 0.1
    assert row["bracket_high"] <= 0.1


def test_a_smooth_line_does_not_put_its_threshold_below_the_grid():
    """A slow wave far below the margin, then SGD diverges: no shape that falls through the margin explains it."""
    rates = 0.001 * 10 ** (np.arange(12) / 5)
    wave = [0.002 * float(np.sin(40 * np.log(rate))) if rate < 0.03 else None for rate in rates]
    threshold = threshold_over_rates(line(wave, rates), Margins(), Estimate())

    assert rates[7] <= threshold.ci_low < threshold.eta_ef_star < threshold.ci_high <= rates[8]
