"""Truth: losses by hand, had training stopped earlier."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.horizon_losses import horizon_steps, losses_at_horizons
from mstudy.core.params import Estimate, Margins
from mstudy.estimate.rates.horizons import estimate_horizons
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.pairs.rate_lines import rate_lines

from tests.estimate.tables import runs_of

STEPS = np.arange(0, 101, 5)


def points_of(runs, loss_at):
    """loss_at(run, step), up to the run's divergence."""
    frames = []
    for run in runs.iter_rows(named=True):
        steps = [s for s in STEPS.tolist() if run["diverged_step"] is None or s <= run["diverged_step"]]
        loss = [float(loss_at(run, step)) for step in steps]
        frames.append(pl.DataFrame({"run_id": [run["run_id"]] * len(steps), "step": steps, "loss": loss}))
    return pl.concat(frames)


def steps_at(runs, horizons):
    """Of runs whose training began at step 0."""
    return horizon_steps(runs.with_columns(pl.lit(0, pl.Int64).alias("origin")), horizons)


def at(losses, horizon, run_id="8-0.1-0.0-0"):
    return losses.row(by_predicate=(pl.col("run_id") == run_id) & (pl.col("horizon") == horizon), named=True)


def test_loss_at_a_horizon_is_the_geometric_mean_of_its_last_tenth():
    runs = runs_of(lambda *_: 1.0, (0.1,), n_seeds=1)

    losses = losses_at_horizons(steps_at(runs, (0.5, 1.0)), points_of(runs, lambda run, step: np.exp(-step)))

    # Steps 45 and 50; 90, 95 and 100.
    assert at(losses, 0.5)["horizon_step"] == 50
    assert at(losses, 0.5)["final_loss"] == pytest.approx(np.exp(-47.5))
    assert at(losses, 1.0)["final_loss"] == pytest.approx(np.exp(-95))


def test_a_later_divergence_has_not_happened_yet():
    runs = runs_of(lambda b, rate, mu, seed: None if mu == 0 else 1.0, (0.1,), n_seeds=1)
    runs = runs.with_columns(pl.when(pl.col("momentum") == 0).then(60).alias("diverged_step").cast(pl.Int64))

    losses = losses_at_horizons(steps_at(runs, (0.5, 1.0)), points_of(runs, lambda run, step: 2.0))

    assert (at(losses, 0.5)["final_loss"], at(losses, 0.5)["diverged_step"]) == (pytest.approx(2.0), None)
    assert (at(losses, 1.0)["final_loss"], at(losses, 1.0)["diverged_step"]) == (None, 60)


def test_an_interrupted_run_has_no_loss_beyond_its_end():
    runs = runs_of(lambda *_: 1.0, (0.1,), n_seeds=1).with_columns(
        pl.when(pl.col("momentum") == 0).then(pl.lit("interrupted")).otherwise("status").alias("status"),
        pl.when(pl.col("momentum") == 0).then(60).otherwise("last_step").alias("last_step").cast(pl.Int64),
    )

    losses = losses_at_horizons(steps_at(runs, (0.5, 1.0)), points_of(runs, lambda run, step: 1.0))

    assert at(losses, 0.5)["final_loss"] == pytest.approx(1.0)
    assert at(losses, 1.0)["final_loss"] is None


def test_the_whole_of_training_gives_the_threshold_itself(rng):
    rates = 0.01 * 2.0 ** np.arange(9)

    def ratio(rate, knee):
        return 0.3 * max(np.log(rate / knee), 0.0)

    noise = {rate: rng.normal(0, 0.01, 5) for rate in rates}

    def loss_at(run, step):
        knee = 0.05 if step > 50 else 0.2  # the advantage begins at a lower rate in the second half
        late = ratio(run["eta_ef"], knee) if run["momentum"] == 0 else noise[run["eta_ef"]][run["seed"]]
        return np.exp(late)

    runs = runs_of(lambda *_: 1.0, rates)
    runs = runs.with_columns(pl.Series("final_loss", [loss_at(r, 100) for r in runs.iter_rows(named=True)]))
    losses = losses_at_horizons(steps_at(runs, (0.5, 1.0)), points_of(runs, loss_at))

    found = estimate_horizons(runs, losses, Margins(), Estimate()).sort("horizon")
    whole = estimate_thresholds(rate_lines(runs, Margins()), Margins(), Estimate())

    assert found["eta_ef_star"][1] == pytest.approx(whole["eta_ef_star"][0])
    assert found["eta_ef_star"].to_list() == pytest.approx([0.2 * np.exp(1 / 6), 0.05 * np.exp(1 / 6)], rel=0.3)
    assert found["horizon_step"].to_list() == [50, 100]


def test_horizons_of_logs_that_begin_late_are_shares_of_the_steps_they_hold():
    """Truth: the same logs, counted from 0."""
    runs = runs_of(lambda *_: 1.0, (0.1,), n_seeds=1)
    points = points_of(runs, lambda run, step: np.exp(-step))
    later = runs.with_columns(pl.col("last_step") + 9000, pl.lit(9000, pl.Int64).alias("origin"))
    expected = losses_at_horizons(steps_at(runs, (0.5, 1.0)), points)

    losses = losses_at_horizons(horizon_steps(later, (0.5, 1.0)), points.with_columns(pl.col("step") + 9000))

    assert losses["final_loss"].to_list() == expected["final_loss"].to_list()
    assert losses["horizon_step"].to_list() == [9050, 9100] * 2
