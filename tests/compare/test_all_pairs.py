"""Truth: a study of two cells whose gaps are planted, frames by hand."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.all_pairs import find_all_partings
from mstudy.core.params import Compare, Margins
from mstudy.core.theory import equivalent_sgd_step

from tests.estimate.tables import runs_of

STEPS = np.arange(300)
LATE = equivalent_sgd_step(STEPS.astype(float), "heavy_ball", 0.9)
GONE = "8-0.2-0.0-0"  # an SGD run that diverges at step 5


def points_of(runs, rng):
    """SGD falls behind from step 100 on at rate 0.1, never at 0.2. Some rows hold no loss that could be compared."""
    frames = []
    for run_id, mu, rate in runs.select("run_id", "momentum", "eta_ef").rows():
        gap = 0.3 * -np.expm1(-np.maximum(STEPS - 100, 0) / 60) * (rate == 0.1)
        log_loss = -0.01 * LATE if mu else gap - 0.01 * STEPS
        loss = np.exp(log_loss + rng.normal(0, 0.003, len(STEPS)))[: 5 if run_id == GONE else None]
        steps = STEPS[: len(loss)]
        odd = [np.nan, np.inf, 0.0, -1.0]
        frame = {"run_id": run_id, "step": np.append(steps, [300] * 4), "loss": np.append(loss, odd)}
        frames.append(pl.DataFrame(frame, schema={"run_id": pl.String, "step": pl.Int64, "loss": pl.Float64}))
    return pl.concat(frames)


@pytest.fixture
def partings(rng):
    runs = runs_of(lambda b, rate, mu, seed: None if (rate, mu, seed) == (0.2, 0.0, 0) else 1.0 + mu, (0.1, 0.2), 4)
    return find_all_partings(runs, points_of(runs, rng), Margins(), Compare())


def test_each_pair_has_a_row_with_its_own_verdict(partings):
    pairs = partings.pairs.sort("eta_ef", "seed")

    assert pairs["status"].to_list() == ["parted"] * 4 + ["sgd_diverged"] + ["none"] * 3
    assert pairs["sgd_run_id"].to_list() == [f"8-{rate}-0.0-{seed}" for rate in (0.1, 0.2) for seed in range(4)]
    assert pairs["sgdm_run_id"].to_list() == [f"8-{rate}-0.9-{seed}" for rate in (0.1, 0.2) for seed in range(4)]
    assert pairs["step"][:4].to_list() == pytest.approx([100] * 4, abs=12)
    assert pairs["step"][4:].to_list() == [5.0, None, None, None]
    # Final losses are 1 and 1.9.
    assert pairs["gap"].to_list() == pytest.approx([-np.log(1.9)] * 4 + [3.0] + [-np.log(1.9)] * 3)


def test_each_cell_counts_its_pairs(partings):
    first, second = partings.cells.sort("eta_ef").iter_rows(named=True)

    assert (first["status"], first["n_pairs"], first["n_parted"]) == ("parted", 4, 4)
    assert (first["n_diverged_sgd"], first["n_diverged_sgdm"]) == (0, 0)
    assert (second["status"], second["n_pairs"], second["n_parted"]) == ("sgd_diverged", 4, 0)
    assert (second["n_diverged_sgd"], second["n_diverged_sgdm"]) == (1, 0)
    assert first["late_gap"] == pytest.approx(0.3, abs=0.03)
    pair = partings.pairs.filter(pl.col("eta_ef") == 0.1)
    assert set(pair["cell_p_value"]) == {first["p_value"]}


def test_a_twin_is_held_against_the_run_that_it_repeats(rng):
    runs = runs_of(lambda *_: 1.0, (0.1,), 4)
    twin = runs.filter(pl.col("run_id") == "8-0.1-0.0-0").with_columns(
        pl.lit("8-0.1-0.0-0").alias("twin_of"), pl.lit("twin").alias("run_id")
    )
    gone = twin.with_columns(pl.lit("gone").alias("run_id"), pl.lit(5, pl.Int64).alias("diverged_step"))
    points = points_of(runs, rng)
    own = points.filter(pl.col("run_id") == "8-0.1-0.0-0")
    own = own.with_columns(pl.lit("twin").alias("run_id"), pl.col("loss") * np.exp(0.4))
    points = pl.concat([points, own, own.with_columns(pl.lit("gone").alias("run_id"))])

    (cell,) = find_all_partings(pl.concat([runs, twin, gone]), points, Margins(), Compare()).cells.rows(named=True)

    assert (cell["n_pairs"], cell["n_twins"], cell["status"]) == (4, 1, "none")
    assert cell["margin"] == cell["twin_gap"] == pytest.approx(0.4)
