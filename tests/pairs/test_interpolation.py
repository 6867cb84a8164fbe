"""Truth: a log loss that is a parabola in log eta_ef, whose linear interpolation errs by a known amount."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.advantage import measure_advantage
from mstudy.core.params import Compare, Estimate, Margins
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.pairs.interpolation import interpolated_pairs
from mstudy.pairs.pairing import pair_runs
from mstudy.pairs.rate_lines import rate_lines
from scipy import stats

from tests.estimate.tables import runs_of

BEND = 0.3
SGD_RATES = (0.1, 0.2, 0.4, 0.8)
MARGIN = Margins().advantage


def parabola(rate):
    return float(np.exp(BEND * np.log(rate) ** 2))


def sweep(sgdm_rates, sgd_rates=SGD_RATES, loss=None, n_seeds=5):
    """SGD and SGDM with the same loss, at rates of their own."""
    loss = loss or (lambda b, rate, mu, seed: parabola(rate))
    runs = runs_of(loss, sorted({*sgd_rates, *sgdm_rates}), n_seeds=n_seeds)
    own = pl.when(pl.col("optimizer") == "sgd").then(pl.col("eta_ef").is_in(list(sgd_rates)))
    return runs.filter(own.otherwise(pl.col("eta_ef").is_in(list(sgdm_rates))))


def test_the_value_lies_on_the_chord_and_the_error_is_the_distance_to_the_parabola():
    found = interpolated_pairs(sweep([0.25, 0.4], n_seeds=1))

    x, low, high = np.log([0.25, 0.2, 0.4])
    chord = BEND * (low**2 + (high**2 - low**2) * (x - low) / (high - low))
    assert found["eta_ef"].to_list() == [0.25]  # 0.4 has its exact partner
    assert np.log(found["sgd_final_loss"][0]) == pytest.approx(chord)
    assert found["interpolation_error"][0] == pytest.approx(chord - BEND * x**2)
    assert found["interpolation_error"][0] == pytest.approx(BEND * (x - low) * (high - x))


@pytest.mark.parametrize(
    ("sgdm", "sgd"),
    [
        ([0.05], SGD_RATES),  # beyond the ends
        ([1.0], SGD_RATES),
        ([0.25], (0.1, 0.19, 0.4, 0.8)),  # the neighbours are further apart than a factor of 2
        ([0.25], (0.2, 0.4)),  # nothing says how the curve bends
        ([0.25], ()),
    ],
)
def test_without_near_neighbours_there_is_none(sgdm, sgd):
    assert interpolated_pairs(sweep(sgdm, sgd)).is_empty()


def test_between_diverged_neighbours_there_is_none():
    def loss(b, rate, mu, seed):
        return None if mu == 0 and rate >= 0.4 else parabola(rate)

    assert interpolated_pairs(sweep([0.25, 0.5], loss=loss)).is_empty()
    assert interpolated_pairs(sweep([0.15], loss=loss)).is_empty()  # its bend would rest on the diverged one


def test_the_bend_is_the_larger_of_both_sides():
    """A straight line up to 0.2, then a kink: between 0.2 and 0.4 the left side alone sees it."""

    def loss(b, rate, mu, seed):
        return float(np.exp(max(np.log(rate / 0.2), 0.0)))

    found = interpolated_pairs(sweep([0.28], loss=loss, n_seeds=1))

    bend = (1.0 - 0.0) / (np.log(0.4) - np.log(0.1))
    assert found["interpolation_error"][0] == pytest.approx(bend * np.log(0.28 / 0.2) * np.log(0.4 / 0.28))


def test_twins_and_branches_are_no_neighbours():
    runs = sweep([0.25], n_seeds=1)
    sgd = pl.col("optimizer") == "sgd"

    assert interpolated_pairs(runs.with_columns(pl.when(sgd).then(pl.lit("x")).alias("twin_of"))).is_empty()


def test_partings_have_exact_partners_alone():
    assert pair_runs(sweep([0.25, 0.4]))["eta_ef"].unique().to_list() == [0.4]


def test_the_error_comes_off_every_margin_and_onto_every_interval():
    """Five seeds of a known spread: p of the t test against a margin moved by the error, by scipy."""
    wobble = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])

    def loss(b, rate, mu, seed):
        return parabola(rate) * float(np.exp(0.0 if mu == 0 else -0.1 + wobble[seed]))

    runs = sweep([0.25, 0.4], loss=loss)
    cell, exact = measure_advantage(runs, Margins(), Compare()).iter_rows(named=True)
    error = BEND * np.log(0.25 / 0.2) * np.log(0.4 / 0.25)
    sample = 0.1 + error - wobble

    assert (cell["matched"], exact["matched"]) == ("interpolated", "exact")
    assert cell["log_ratio"] == pytest.approx(sample.mean())
    assert cell["superiority_p"] == pytest.approx(
        stats.ttest_1samp(sample, MARGIN + error, alternative="greater").pvalue
    )
    assert cell["inferiority_p"] == pytest.approx(stats.ttest_1samp(sample, -MARGIN - error, alternative="less").pvalue)
    assert cell["equivalence_p"] == pytest.approx(stats.ttest_1samp(sample, MARGIN - error, alternative="less").pvalue)
    assert cell["ci_low"] < sample.min() - error + 0.03
    assert cell["ci_high"] - cell["ci_low"] == pytest.approx(exact["ci_high"] - exact["ci_low"] + 2 * error, abs=0.004)


def test_a_sweep_without_one_common_rate_has_a_threshold_and_placed_cells():
    """SGD falls behind from 0.1 on by 0.5 log(eta_ef / 0.1); the rates of SGDM lie between those of SGD."""

    def loss(b, rate, mu, seed):
        slower = 0.5 * max(np.log(rate / 0.1), 0.0)
        return float(np.exp((slower if mu == 0 else 0.0) + 0.002 * np.sin(7 * seed + 13 * rate + mu)))

    sgd = 0.0125 * 2.0 ** np.arange(0, 7, 0.75)
    runs = sweep(sgd[:-1] * 2**0.4, sgd, loss)
    lines = rate_lines(runs, Margins())
    (row,) = estimate_thresholds(lines, Margins(), Estimate()).iter_rows(named=True)
    placed = place_cells(lines, Margins(), Estimate())

    assert pair_runs(runs).is_empty()
    crossing = 0.1 * np.exp(2 * MARGIN)
    assert row["ci_low"] < crossing < row["ci_high"]
    assert set(placed["matched"]) == {"interpolated"}
    assert set(placed["side"]) == {"below", "above"}
    assert placed.filter(side="above")["superiority_p"].max() < 0.05
