"""Truth: enumeration of all swaps; areas by hand; a Cox model with the answer built in; tables by hand."""

from itertools import product

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Estimate
from mstudy.estimate.event_times.deferral import measure_deferral, measure_survival, timed_pairs
from mstudy.estimate.event_times.hazard import HazardRatio, hazard_ratio
from mstudy.estimate.event_times.swap_test import PairedTimes, swap_test
from mstudy.tables.contracts import RUNS, SHARPENINGS
from scipy import stats


def paired(sgd, sgdm, event_sgd=True, event_sgdm=True, cell=None):
    time = np.column_stack([sgd, sgdm]).astype(float)
    event = np.column_stack([np.full(len(time), event_sgd), np.full(len(time), event_sgdm)])
    cells = np.zeros(len(time), dtype=int) if cell is None else np.asarray(cell)
    return PairedTimes(time, event, np.zeros_like(event), cells)


def score(times, swapped):
    """Log-rank score of the first column: events less those expected, moment by moment."""
    first = np.where(swapped, times.time[:, 1], times.time[:, 0])
    return sum(
        (first == moment).sum() - (first >= moment).sum() / (times.time >= moment).sum()
        for moment in sorted(times.time.ravel())
    )


def test_swap_test_against_all_swaps():
    times = paired([3, 5, 8, 9], [6, 4, 12, 20])
    observed = score(times, np.zeros(4, bool))
    exact = np.mean([abs(score(times, np.array(s))) >= abs(observed) - 1e-9 for s in product([False, True], repeat=4)])

    found = swap_test(times, 100, np.random.default_rng(0))

    assert found.p_value == pytest.approx(exact)
    assert found.score == pytest.approx(observed)
    assert found.n_informative == 4


def test_many_pairs_are_swapped_at_random_to_the_same_answer(rng):
    times = paired(rng.exponential(1, 15), rng.exponential(1.5, 15))
    few = times.where(np.arange(14))
    signs = np.array(list(product((1, -1), repeat=14)))

    exact, sampled = swap_test(few, 100, rng).p_value, swap_test(times, 20_000, rng).p_value

    assert exact * len(signs) == pytest.approx(round(exact * len(signs)))
    assert sampled == pytest.approx(exact, abs=0.25)  # one pair more


def test_events_on_one_side_alone_are_decided():
    times = paired(np.arange(10, 20), np.full(10, 100), event_sgdm=False)

    assert swap_test(times, 100, np.random.default_rng(0)).p_value == 2 * 0.5**10
    found = hazard_ratio(times)
    assert found.by == "firth"
    assert 0 < found.low < found.ratio < found.high < 0.3


def test_no_event_has_no_p_value():
    times = paired([10, 10], [10, 10], event_sgd=False, event_sgdm=False)

    assert swap_test(times, 100, np.random.default_rng(0)).p_value is None
    assert hazard_ratio(times) == HazardRatio()


def test_swap_test_keeps_its_level():
    p = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        frailty = rng.exponential(1, size=(16, 1))
        times = frailty * rng.exponential(1, size=(16, 2))
        p.append(swap_test(paired(times[:, 0], times[:, 1], cell=np.repeat([0, 1, 2, 3], 4)), 400, rng).p_value)

    assert np.mean(np.array(p) <= 0.05) <= 0.09
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_hazard_ratio_finds_the_planted_one(rng):
    times = rng.exponential(1.0, size=(600, 2)) * [1.0, 2.0]  # half the hazard under momentum

    found = hazard_ratio(paired(times[:, 0], times[:, 1], cell=np.repeat(np.arange(6), 100)))

    assert found.low < 0.5 < found.high
    assert found.ratio == pytest.approx(0.5, rel=0.2)


def test_runs_that_end_before_any_event_do_not_spoil_the_hazard_ratio(rng):
    times = rng.exponential(1.0, size=(40, 2)) + 1
    event = np.ones((40, 2), bool)
    event[20:] = False
    times[0], event[0] = 0.5, False  # statsmodels' own clustered variance is NaN of this

    found = hazard_ratio(PairedTimes(times, event, ~event, np.repeat([0, 1], 20)))

    assert found.by == "cox"
    assert found.low < found.ratio < found.high


def study(*pairs):
    """Tables of pairs ((status, time), (status, time)): detected or none at a step, or diverged there."""
    runs, sharpenings = [], []
    for seed, pair in enumerate(pairs):
        for (status, time), momentum in zip(pair, (0.0, 0.9), strict=True):
            gone = status == "diverged"
            run = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8, "eta_ef": 0.1}
            run |= {"optimizer": "heavy_ball" if momentum else "sgd", "momentum": momentum, "seed": seed}
            run |= {"run_id": f"{seed}-{momentum}", "status": "diverged" if gone else "completed", "last_step": 100}
            runs.append(run | {"diverged_step": time if gone else None})
            seen = {"status": "none", "followup_step": 90.0} if status != "detected" else {"status": status}
            seen |= {"step": time} if status == "detected" else {}
            sharpenings.append({"run_id": run["run_id"], "followup_step": 90.0, **seen})
    return RUNS.frame(runs), SHARPENINGS.frame(sharpenings)


PAIRS = [
    (("detected", 20.0), ("none", 90.0)),
    (("detected", 30.0), ("detected", 60.0)),
    (("detected", 40.0), ("diverged", 25)),
    (("none", 90.0), ("detected", 70.0)),
]


def test_counts_of_a_small_study_by_hand():
    row = measure_deferral(*study(*PAIRS), Estimate(resamples=100)).row(0, named=True)

    assert (row["stratum"], row["optimizer"], row["momentum"]) == ("all", "heavy_ball", 0.9)
    assert (row["n_sgd"], row["events_sgd"], row["events_sgdm"], row["diverged_sgdm"]) == (4, 3, 2, 1)
    # The third pair was followed to step 25 alone, before either sharpened.
    assert (row["only_sgd"], row["only_sgdm"], row["n_both"]) == (1, 1, 1)
    assert row["p_prevention"] == 1.0
    assert row["time_ratio"] == pytest.approx(2.0)
    assert row["time_ratio_low"] is None  # one cell


def test_an_event_after_the_common_end_is_not_counted():
    runs, sharpenings = study((("detected", 95.0), ("none", 90.0)), (("detected", 20.0), ("detected", 30.0)))

    pairs = timed_pairs(runs, sharpenings)

    assert pairs.select("time_0", "event_0", "event_1").rows() == [(90.0, False, False), (20.0, True, True)]


def test_optimizers_of_equal_momentum_are_apart():
    runs, sharpenings = study(*PAIRS)
    other = runs.filter(optimizer="heavy_ball").with_columns(
        pl.lit("nesterov").alias("optimizer"), (pl.col("run_id") + "n").alias("run_id")
    )
    fates = sharpenings.with_columns((pl.col("run_id") + "n").alias("run_id"))

    found = measure_deferral(pl.concat([runs, other]), pl.concat([sharpenings, fates]), Estimate(resamples=100))

    assert found.filter(stratum="all")["optimizer"].to_list() == ["heavy_ball", "nesterov"]


def test_curves_of_a_small_study_by_hand():
    curves = measure_survival(*study(*PAIRS)).filter(stratum="all")

    sgd = curves.filter(optimizer="sgd")
    assert sgd.select("step", "n_risk", "n_events", "n_diverged", "n_censored").rows() == [
        (20.0, 4, 1, 0, 0),
        (30.0, 3, 1, 0, 0),
        (40.0, 2, 1, 0, 0),
        (90.0, 1, 0, 0, 1),
    ]
    assert sgd["survival"].to_list() == pytest.approx([0.75, 0.5, 0.25, 0.25])
    sgdm = curves.filter(optimizer="heavy_ball")
    assert sgdm["survival"].to_list() == pytest.approx([1, 2 / 3, 1 / 3, 1 / 3])
    # Aalen-Johansen: of four one diverged at 25; the other three share what was left.
    assert sgdm["incidence_divergence"].to_list() == pytest.approx([0.25] * 4)
    assert sgdm["incidence_sharpening"].to_list() == pytest.approx([0, 0.25, 0.5, 0.5])


def test_pairs_without_curvature_are_in_no_row():
    runs, sharpenings = study(*PAIRS)
    nothing = sharpenings.with_columns(pl.lit("no_curvature").alias("status"))

    assert measure_deferral(runs, nothing, Estimate()).is_empty()
    assert measure_survival(runs, nothing).is_empty()


def test_an_event_of_sgdm_where_sgd_had_diverged_is_told_apart():
    pairs = [*PAIRS, (("diverged", 5), ("detected", 50.0)), (("diverged", 70), ("detected", 50.0))]

    row = measure_deferral(*study(*pairs), Estimate(resamples=100)).filter(stratum="all").row(0, named=True)

    # In both of these pairs SGD never sharpens: it diverged.
    assert (row["events_sgdm"], row["events_sgdm_alone"], row["diverged_sgd"]) == (4, 2, 2)


def test_the_adjusted_p_value_is_holms_over_what_can_be_tested():
    few = measure_deferral(*study(*PAIRS), Estimate(resamples=100))
    many = measure_deferral(
        *study(*[(("detected", 20.0 + k), ("none", 90.0)) for k in range(8)]), Estimate(resamples=100)
    )

    assert few["p_adjusted"].to_list() == [None, None]  # 2 pairs differ at most; one batch size
    assert many.filter(stratum="all")["p_adjusted"].to_list() == many.filter(stratum="all")["p_value"].to_list()
    assert many.filter(stratum="b = 8")["p_adjusted"].to_list() == [None]
