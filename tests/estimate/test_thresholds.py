"""Truth: lines of cells whose ratio crosses the margin at a planted rate."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.advantage import measure_advantage
from mstudy.core.params import Compare, Estimate, Margins
from mstudy.estimate.rates.advantage_shapes import family_of
from mstudy.estimate.rates.thresholds import estimate_thresholds, find_threshold
from mstudy.pairs.rate_lines import rate_lines

from tests.estimate.tables import runs_of

RATES = 0.01 * 2.0 ** np.arange(9)


def line(ratio_of, rng, n_seeds=5, sd=0.02, rates=RATES):
    """SGDM's loss is 1; SGD's has the ratio as its logarithm, with noise."""

    def loss(b, rate, mu, seed):
        return 1.0 if mu > 0 else float(np.exp(rng.normal(ratio_of(rate), sd)))

    return rate_lines(runs_of(loss, rates, n_seeds), Margins())[0]


def find(line):
    return find_threshold(line, Margins(), Estimate())


def hinge(rate):
    """Crosses 0.05 at 0.1 * exp(0.25) = 0.1284."""
    return 0.2 * max(np.log(rate / 0.1), 0.0)


def saturating(rate):
    """Crosses 0.05 where 1 - exp(-2 t) = 1/8: t = 0.0668, 0.1069."""
    return 0.4 * -np.expm1(-2 * max(np.log(rate / 0.1), 0.0))


@pytest.mark.parametrize(("shape", "truth"), [(hinge, 0.1284), (saturating, 0.1069)], ids=["hinge", "saturating"])
def test_interval_covers_the_planted_threshold(shape, truth):
    found = [find(line(shape, np.random.default_rng(seed))) for seed in range(40)]

    assert {f.status for f in found} == {"estimated"}
    assert np.mean([f.ci_low <= truth <= f.ci_high for f in found]) >= 0.87
    assert np.median([f.eta_ef_star for f in found]) == pytest.approx(truth, rel=0.25)
    assert all(f.ci_low <= f.eta_ef_star <= f.ci_high for f in found)


def test_every_shape_crosses_where_it_says():
    x = np.linspace(-4, 1, 9)
    family = family_of(x)

    for k, crossing in enumerate(family.crossings):
        left = family.values[k][:, x < crossing - 1e-9]
        right = family.values[k][np.isfinite(family.log_prior[k])][:, x > crossing + 1e-9]
        assert (left > -1e-9).all()
        assert (right < 1e-9).all()


def test_the_prior_of_a_kind_does_not_depend_on_its_widths():
    # Five kinds a crossing, one part each; a capped shape whose cap lies before the crossing is none.
    total = np.exp(family_of(np.linspace(-4, 1, 9)).log_prior).sum(axis=1)

    assert ((total > 0.8) & (total <= 1 + 1e-9)).all()


def test_a_threshold_beyond_the_grid_is_a_status(rng):
    assert find(line(lambda rate: 0.0, rng)).status == "above_grid"
    assert find(line(lambda rate: 0.5, rng)).status == "below_grid"


def test_too_little_is_insufficient(rng):
    assert find(line(hinge, rng, rates=RATES[:3])).status == "insufficient"
    assert find(line(hinge, rng, n_seeds=2)).status == "insufficient"


def test_more_seeds_narrow_the_interval():
    few, many = (find(line(hinge, np.random.default_rng(3), n, 0.05)) for n in (4, 60))

    assert many.ci_high / many.ci_low < few.ci_high / few.ci_low


def test_an_odd_cell_does_not_widen_the_interval_over_itself(rng):
    found = find(line(lambda rate: hinge(rate) + 0.05 * (rate == RATES[1]), rng, sd=0.005))

    assert 2 * RATES[1] < found.ci_low
    assert found.ci_high < 0.16


def diverging(b, rate, mu, seed):
    """SGD diverges beyond 0.6, else the hinge with a wobble of the seed."""
    if mu == 0 and rate > 0.6:
        return None
    return float(np.exp((hinge(rate) if mu == 0 else 0.0) + 0.01 * np.sin(7 * seed + 100 * rate + mu)))


def test_diverged_sgd_bounds_the_threshold_but_does_not_bend_it():
    runs = runs_of(diverging, RATES)
    advantage = measure_advantage(runs, Margins(), Compare())
    row = estimate_thresholds(rate_lines(runs, Margins()), Margins(), Estimate()).row(0, named=True)

    assert advantage["n_diverged_sgd"].to_list() == [0] * 6 + [5] * 3
    assert advantage["log_ratio"].to_list()[-1] == 3.0
    assert row["ci_low"] <= 0.1284 <= row["ci_high"]
    assert row["eta_ef_per_sample_star"] == row["eta_ef_star"] / 8
    assert (row["n_cells"], row["n_seeds"], row["margin"]) == (7, 5, 0.05)


def test_divergence_alone_gives_a_threshold_before_it():
    runs = runs_of(lambda b, rate, mu, seed: None if mu == 0 and rate > 0.6 else 1.0 + 0.001 * seed * (mu + 1), RATES)

    found = find(rate_lines(runs, Margins())[0])

    assert found.status == "estimated"
    assert 0.3 <= found.eta_ef_star <= 0.64
    assert found.ci_high <= 0.64


def test_sgdm_diverging_is_no_threshold():
    runs = runs_of(lambda b, rate, mu, seed: None if mu > 0 and rate > 0.6 else 1.0 + 0.001 * seed * (mu + 1), RATES)

    assert find(rate_lines(runs, Margins())[0]).status == "above_grid"


def test_both_diverged_compares_nothing_and_one_such_pair_is_a_tie():
    nothing = measure_advantage(runs_of(lambda *_: None, RATES[:1]), Margins(), Compare())
    tie = measure_advantage(
        runs_of(lambda b, rate, mu, seed: None if mu == 0 or seed == 0 else 1.0, RATES[:1]), Margins(), Compare()
    )

    assert nothing["log_ratio"].to_list() == [None]
    assert nothing["n_diverged_both"].to_list() == [5]
    assert tie["log_ratio"].to_list() == [pytest.approx(4 * 3.0 / 5)]
    assert tie["equivalence_p"].to_list() == [1.0]
    assert tie["superiority_p"].item() < 0.05


def test_advantage_of_a_missing_seed_counts_the_others(rng):
    runs = runs_of(lambda b, rate, mu, seed: 1.0 + 0.1 * seed * (mu == 0), RATES[:1])
    short = measure_advantage(runs.filter(pl.col("run_id") != "8-0.01-0.9-4"), Margins(), Compare())

    assert short["n_seeds"].to_list() == [4]
    assert short["log_ratio"].to_list() == [pytest.approx(np.log([1, 1.1, 1.2, 1.3]).mean())]
