"""Truth: lines of cells whose ratio crosses the margin at a planted rate."""

import numpy as np
import pytest
from mstudy.inference.compare import measure_advantage
from mstudy.inference.seeds import p_greater
from mstudy.inference.thresholds import estimate_thresholds, find_crossing
from mstudy.params import Compare, Estimate
from mstudy.tables import RUNS

RATES = 0.01 * 2.0 ** np.arange(9)


def line(ratio_of, rng, n_seeds=5, sd=0.02):
    samples = [rng.normal(ratio_of(rate), sd, n_seeds) for rate in RATES]
    return (
        RATES,
        np.array([s.mean() for s in samples]),
        np.array([s.std(ddof=1) for s in samples]),
        np.full(9, n_seeds),
        np.array([p_greater(s, 0.05) for s in samples]),
        Estimate(),
    )


def hinge(rate):
    """Crosses 0.05 at 0.1 * exp(0.25) = 0.1284."""
    return 0.2 * max(np.log(rate / 0.1), 0.0)


def saturating(rate):
    """Crosses 0.05 where 1 - exp(-2 t) = 1/8: t = 0.0668, 0.1069."""
    return 0.4 * -np.expm1(-2 * max(np.log(rate / 0.1), 0.0))


@pytest.mark.parametrize(("shape", "truth"), [(hinge, 0.1284), (saturating, 0.1069)], ids=["hinge", "saturating"])
def test_interval_covers_the_planted_threshold(shape, truth):
    found = [find_crossing(*line(shape, np.random.default_rng(seed))) for seed in range(40)]

    assert {f.status for f in found} == {"estimated"}
    assert np.mean([f.ci_low <= truth <= f.ci_high for f in found]) >= 0.85
    assert np.median([f.eta_ef_star for f in found]) == pytest.approx(truth, rel=0.25)
    assert all(f.ci_low <= f.eta_ef_star <= f.ci_high for f in found)


def test_a_threshold_beyond_the_grid_is_a_status(rng):
    assert find_crossing(*line(lambda rate: 0.0, rng)).status == "above_grid"
    assert find_crossing(*line(lambda rate: 0.5, rng)).status == "below_grid"


def test_too_little_is_insufficient(rng):
    whole = line(hinge, rng)
    short = tuple(part[:3] for part in whole[:-1])

    assert find_crossing(*short, Estimate()).status == "insufficient"
    assert find_crossing(*line(hinge, rng, n_seeds=2)).status == "insufficient"


def test_more_seeds_narrow_the_interval():
    few, many = (find_crossing(*line(hinge, np.random.default_rng(3), n, 0.05)) for n in (4, 60))

    assert many.ci_high / many.ci_low < few.ci_high / few.ci_low


def runs_of(loss_of, rates, n_seeds=5):
    """tables.RUNS of one line of pairs: loss_of(eta_ef, momentum, seed), None where diverged."""
    keys = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8}
    rows = []
    for rate in rates:
        for mu in (0.0, 0.9):
            for seed in range(n_seeds):
                loss = loss_of(rate, mu, seed)
                row = {**keys, "eta_ef": rate, "momentum": mu, "optimizer": "sgd" if mu == 0 else "heavy_ball"}
                row |= {"run_id": f"{rate}-{mu}-{seed}", "seed": seed, "eta_ef_per_sample": rate / 8}
                rows.append(row | {"final_loss": loss, "diverged_step": 5 if loss is None else None})
    return RUNS.frame(rows)


def test_diverged_sgd_bounds_the_threshold_but_does_not_bend_it():
    def loss(rate, mu, seed):
        if mu == 0 and rate > 0.6:
            return None
        wobble = 0.01 * np.sin(7 * seed + 100 * rate + mu)
        return float(np.exp((hinge(rate) if mu == 0 else 0.0) + wobble))

    advantage = measure_advantage(runs_of(loss, RATES), Compare())
    row = estimate_thresholds(advantage, Estimate()).row(0, named=True)

    assert advantage["n_diverged_sgd"].to_list() == [0] * 6 + [5] * 3
    assert advantage["log_ratio"].to_list()[-1] == 3.0
    assert row["ci_low"] <= 0.1284 <= row["ci_high"]
    assert row["eta_ef_per_sample_star"] == row["eta_ef_star"] / 8
    assert row["n_cells"] == 6


def test_divergence_alone_gives_a_threshold_before_it():
    advantage = measure_advantage(
        runs_of(lambda rate, mu, seed: None if mu == 0 and rate > 0.6 else 1.0 + 0.001 * seed * (mu + 1), RATES),
        Compare(),
    )

    row = estimate_thresholds(advantage, Estimate()).row(0, named=True)

    assert row["status"] == "estimated"
    assert 0.3 <= row["eta_ef_star"] <= 0.64


def test_both_diverged_compares_nothing():
    advantage = measure_advantage(runs_of(lambda rate, mu, seed: None, RATES[:1]), Compare())

    assert advantage.row(0, named=True)["log_ratio"] is None
    assert advantage["n_diverged_both"].to_list() == [5]
