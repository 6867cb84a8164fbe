"""Truth: events that happen together, and events that merely share their cell's time scale."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.event_times import coincidence
from mstudy.estimate.event_times.coincidence import EQUIVALENCE, PERMUTATION, SHARED
from mstudy.tables.contracts import PARTINGS, SHARPENINGS

from benchmarks.error_rates.moments import lasting_moments


def events(rng, together, lag=1.0, n_blocks=6, n_seeds=5, spread=0.2):
    """Partings and sharpenings of n_blocks blocks; typical times differ between blocks by a factor 2."""
    partings, sharpenings = [], []
    for block in range(n_blocks):
        typical = 50 * 2.0**block
        for seed in range(n_seeds):
            own, other = typical * np.exp(rng.normal(0, spread, 2))
            keys = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "optimizer": "heavy_ball"}
            keys |= {"batch_size": 8, "eta_ef": 0.1 * (block + 1), "momentum": 0.9, "seed": seed}
            run = f"{block}-{seed}"
            time = lag * (own * np.exp(rng.normal(0, 0.02)) if together else other)
            partings.append({**keys, "sgd_run_id": run, "sgdm_run_id": run + "m", "status": "parted", "step": time})
            sharpenings.append({"run_id": run, "status": "detected", "step": own})
    return PARTINGS.frame(partings), SHARPENINGS.frame(sharpenings)


def measure_alignment(partings, sharpenings, params):
    return coincidence.measure_alignment(partings, sharpenings, *lasting_moments(partings, sharpenings), params)


def p_values(tables, **changes):
    found = measure_alignment(*tables, Estimate(resamples=400, **changes))
    return dict(found.select("statistic", "p_value").iter_rows())


def test_common_events_are_found(rng):
    p = p_values(events(rng, together=True))

    assert p[PERMUTATION] < 0.01
    assert p[EQUIVALENCE] < 0.01


def test_a_shared_time_scale_is_not_a_coincidence():
    found = [p_values(events(np.random.default_rng(seed), together=False)) for seed in range(60)]

    assert np.mean([p[PERMUTATION] <= 0.05 for p in found]) <= 0.12  # 5 % of 60, within chance
    assert np.mean([p["pooled_spearman"] <= 0.05 for p in found]) > 0.9  # why the naive test is refused


def test_a_constant_lag_is_refused_by_equivalence(rng):
    p = p_values(events(rng, together=True, lag=1.5))

    assert p[PERMUTATION] < 0.05
    assert p[EQUIVALENCE] > 0.5


def test_lag_by_hand(rng):
    partings, sharpenings = events(rng, together=True, n_blocks=2, n_seeds=2)
    partings = partings.with_columns(pl.Series("step", [20.0, 20.0, 80.0, 80.0]))
    sharpenings = sharpenings.with_columns(pl.lit(10.0).alias("step"))

    row = measure_alignment(partings, sharpenings, Estimate()).row(0, named=True)

    assert (row["n_pairs"], row["n_cells"]) == (4, 2)
    assert row["lag_median"] == pytest.approx(np.log(4))
    assert row["lag_steps_median"] == 40.0


def test_too_few_blocks_or_equal_seeds_have_no_p_value(rng):
    assert p_values(events(rng, together=True, n_blocks=2))[PERMUTATION] is None
    partings, sharpenings = events(rng, together=True)
    assert p_values((partings, sharpenings.with_columns(pl.lit(9.0).alias("step"))))[PERMUTATION] is None


def test_no_event_at_all(rng):
    partings, sharpenings = events(rng, together=True)

    found = measure_alignment(partings, sharpenings.with_columns(pl.lit("none").alias("status")), Estimate())

    assert set(found["n_pairs"]) == {0}
    assert found["p_value"].null_count() == len(found) == 7
    assert found["n_parted"][0] == 30


def test_the_refused_tests_are_named_and_say_why(rng):
    found = measure_alignment(*events(rng, together=False), Estimate(resamples=200))

    refused = found.filter(~pl.col("decides"))
    assert set(refused["statistic"]) == {
        "pooled_spearman",
        "pooled_permutation",
        "partial_spearman",
        "run_level_equivalence",
    }
    assert refused["why_refused"].null_count() == 0
    assert found.filter("decides")["why_refused"].null_count() == 3


def test_the_shared_part_is_one_or_none(rng):
    def part(together):
        found = measure_alignment(*events(rng, together), Estimate(resamples=100))
        return found.row(by_predicate=pl.col("statistic") == SHARED, named=True)

    one, none = part(True), part(False)
    assert one["estimate_low"] < 1 < one["estimate_high"]
    assert one["estimate_low"] > 0.8
    assert none["estimate_low"] < 0 < none["estimate_high"] < 1


def test_a_parting_that_closed_again_or_of_two_diverged_runs_is_none(rng):
    partings, sharpenings = events(rng, together=True)
    status = pl.Series("status", ["transient", "both_diverged", "sgd_diverged", "sgdm_diverged", "parted"] * 6)

    found = measure_alignment(partings.with_columns(status), sharpenings, Estimate(resamples=100))

    assert found["n_pairs"][0] == 18


def test_reliability_is_the_share_that_is_not_error(rng):
    partings, sharpenings = events(rng, together=True, n_seeds=40)
    width = np.exp(1.96 * 0.1)
    ends = [(pl.col("step") / width).alias("step_low"), (pl.col("step") * width).alias("step_high")]

    row = measure_alignment(partings.with_columns(ends), sharpenings.with_columns(ends), Estimate()).row(0, named=True)

    assert row["reliability_sharpening"] == pytest.approx(1 - 0.1**2 / 0.2**2, abs=0.07)
    assert row["reliability_parting"] == pytest.approx(1 - 0.1**2 / 0.2**2, abs=0.07)


def test_the_lag_in_steps_is_the_factor_at_the_typical_step(rng):
    partings, sharpenings = events(rng, together=True, lag=1.5, spread=0.0001, n_blocks=3)

    row = measure_alignment(partings, sharpenings, Estimate()).row(0, named=True)

    assert row["lag_steps_mean"] == pytest.approx(0.5 * 50 * 2, rel=0.05)  # typical steps 50, 100, 200
    assert row["lag_steps_low"] < row["lag_steps_mean"] < row["lag_steps_high"]
