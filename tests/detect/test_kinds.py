"""Truth: rises that stay, come and go, pass, or take the whole run."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Detect
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.detect.sharpening import find_sharpening
from scipy.signal import lfilter

N = 1000
STEPS = np.arange(N)
FALL = np.maximum(-0.02 * STEPS, -4.0)


def bumps(starts, length, rise=4):
    """Up from 0 to 1 over `rise` rows, and down again over as many after `length`."""
    edges = [np.minimum((STEPS - start) / rise, (start + length + rise - STEPS) / rise) for start in starts]
    return np.clip(np.max(edges, axis=0), 0, 1)


def find(log_curvature, rng, sigma=0.05, **changes):
    noise = rng.normal(0, sigma, len(log_curvature))
    steps = np.arange(len(log_curvature))
    return find_sharpening(steps, np.exp(log_curvature + noise), np.ones(len(steps)), Detect(**changes), rng)


def kinds(found):
    return [(event.kind, round(event.step)) for event in found.events]


def test_what_strong_slow_noise_does_again_and_again_is_no_event():
    # 300 points, 0.95 from point to point: it leaves a level and comes back to it in every run.
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        noise = lfilter([1.0], [1.0, -0.95], rng.normal(0, (1 - 0.95**2) ** 0.5, 400))[100:]
        found.append(find(noise, rng, sigma=0.0, jump_factor=2.0))

    assert sum(one.status == "detected" for one in found) <= 9  # a tenth, and two standard errors


def test_a_burst_that_passes_is_transient_and_no_sharpening(rng):
    found = find(FALL + 7 * bumps([600], 10), rng)

    assert (found.status, found.events) == ("none", ())
    (event,) = found.others
    assert (event.kind, event.p_value) == ("transient", None)
    assert event.step == pytest.approx(602, abs=2)
    assert event.step_low < event.step < event.step_high
    assert event.jump > 100


def test_relaxation_oscillation_is_a_sharpening_at_its_first_burst(rng):
    # Bursts of 12 rows every 40: no window of 20 rows keeps a level.
    found = find(-4 + 6 * bumps(range(300, N, 40), 12), rng)

    assert kinds(found)[0] == ("recurring", pytest.approx(302, abs=2))
    assert found.events[0].p_value <= 0.05


def test_an_onset_that_falls_before_it_stays_is_the_sharpening(rng):
    found = find(-4 + 6 * np.maximum(bumps([400, 440], 12), np.clip((STEPS - 480) / 4, 0, 1)), rng)

    assert found.events[0].step == pytest.approx(402, abs=2)
    assert found.events[0].kind == "recurring"


def test_spikes_in_noise_do_not_recur():
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = np.zeros(N)
        for start in rng.integers(0, N, 20):
            y[start : start + rng.integers(1, 6)] += rng.choice([-1, 1]) * rng.uniform(2, 4)
        alarms += find(y, rng, sigma=0.4, jump_factor=2.0).status == "detected"

    assert alarms <= 2


def test_a_gap_longer_than_the_stated_share_is_none_that_recurs(rng):
    y = -4 + 6 * bumps([300, 420, 540, 660], 12)

    assert find(y, rng, recurring_gap=0.05).events == ()
    assert find(y, rng, recurring_gap=0.15).events[0].step == pytest.approx(302, abs=2)


def test_a_rise_that_begins_with_the_run_is_progressive(rng):
    # From step 5 to step 24: as fast as a jump, but most of what there was of the run.
    early, late = (3 * np.clip((STEPS - start) / 14, 0, 1) for start in (12, 500))

    found = find(early, rng)
    assert (found.status, [event.kind for event in found.others]) == ("none", ["progressive"])
    assert found.others[0].rise_share > 0.4
    assert find(early, rng, progressive_share=0.9).status == "detected"

    (event,) = find(late, rng).events
    assert event.kind == "lasting"
    assert event.rise_steps == pytest.approx(14, abs=4)
    assert event.rise_share == pytest.approx(14 / 514, abs=0.01)


def test_where_curvature_passes_zero_is_no_jump(rng):
    # |curvature| falls to nothing and comes back: its logarithm has a cusp.
    y = np.log(0.01 * np.abs(STEPS - 500.3)) - 1

    assert find(y, rng, sigma=0.01).events == ()


def test_a_catapult_that_is_left_for_long_is_no_cusp(rng):
    # Back at the old level for 40 rows of 1,000, twice a level's width, where four widths before it are mostly raised.
    found = find(-4 + 6 * (((STEPS >= 300) & (STEPS < 500)) | (STEPS >= 540)), rng)

    assert kinds(found) == [("lasting", pytest.approx(300, abs=1)), ("lasting", pytest.approx(540, abs=1))]


def test_a_rise_hidden_by_a_hole_in_the_log_is_progressive(rng):
    # Not positive from step 200 to 800: from one side to the other the level rises, nobody knows how fast.
    curvature = np.exp(4.0 * (STEPS > 500) + rng.normal(0, 0.05, N))
    curvature[(STEPS > 200) & (STEPS < 800)] *= -1

    found = find_sharpening(STEPS, curvature, np.ones(N), Detect(), rng)

    assert found.events == ()
    assert [(event.kind, event.rise_share > 0.7) for event in found.others] == [("progressive", True)]


def test_the_table_lists_all_kinds_in_order_and_counts_the_sharpenings_alone(rng):
    y = FALL + 7 * bumps([250], 10) + 7 * (STEPS >= 600)
    curvature = np.exp(y + rng.normal(0, 0.05, N))
    run = {"run_id": "a", "optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.0, "branch_of": None}
    points = {"run_id": ["a"] * N, "step": STEPS, "loss": np.ones(N), "directional_curvature": curvature}

    found = detect_sharpenings(pl.DataFrame([run]), pl.DataFrame(points), Detect())

    assert found.events["kind"].to_list() == ["transient", "lasting"]
    assert found.events["index"].to_list() == [0, 1]
    assert found.events["step"].to_list() == pytest.approx([252, 599.5], abs=2)
    assert found.sharpenings.select("n_events", "kind").row(0) == (1, "lasting")
    assert found.sharpenings["step"][0] == pytest.approx(599.5, abs=2)
