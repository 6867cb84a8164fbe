"""Truth: blocks and filters by hand."""

import numpy as np
import pytest
from mstudy.detect.points import Usable, coarsen, usable_points, without_period_two, without_spikes


def test_an_alternating_series_does_not_pass():
    y = 3.0 + (-1.0) ** np.arange(20)

    assert without_period_two(y) == pytest.approx(3.0)


def test_a_lone_outlier_is_levelled_and_a_step_is_kept(rng):
    y = rng.normal(0, 0.1, 100) + 5.0 * (np.arange(100) >= 50)
    spiked = y.copy()
    spiked[20:22] += 4

    assert np.abs(without_spikes(spiked)[20:22]).max() < 0.5
    assert without_spikes(y)[45:55] == pytest.approx(y[45:55])


def test_each_point_is_a_block_in_an_even_log():
    points = Usable(np.arange(300.0), np.zeros(300))

    assert coarsen(points).edges.tolist() == list(range(301))


def test_growing_gaps_are_even_too():
    steps = np.unique(np.geomspace(1, 5000, 300).astype(int)).astype(float)

    assert len(coarsen(Usable(steps, np.zeros(len(steps)))).values) == len(steps)


def test_a_dense_stretch_becomes_blocks_of_the_usual_gap():
    # 0, 20, ..., 2000, with every step from 1000 to 1100: five gaps of 20.
    steps = np.union1d(20 * np.arange(101), np.arange(1000, 1101)).astype(float)

    coarse = coarsen(Usable(steps, steps))

    inside = coarse.edges[(steps[coarse.edges[:-1].clip(max=len(steps) - 1)] > 1000).argmax() :]
    assert len(coarse.values) == pytest.approx(101, abs=1)
    assert np.diff(inside)[:4].tolist() == [20, 20, 20, 20]


CHANGES_FOR_GOOD = {
    # each step, then every tenth; every eighth, fourth, second, each: within an octave, rows are dense and sparse
    "dense, then sparse": np.concatenate([np.arange(150), 150 + 10 * np.arange(150)]),
    "refined again and again": np.cumsum(np.repeat([8, 4, 2, 1], 75)),
}


@pytest.mark.parametrize("steps", CHANGES_FOR_GOOD.values(), ids=CHANGES_FOR_GOOD.keys())
def test_a_cadence_that_changes_for_good_is_no_dense_stretch(steps):
    assert coarsen(Usable(steps.astype(float), np.zeros(300))).edges.tolist() == list(range(301))


def test_a_dense_stretch_may_end_a_log():
    steps = np.concatenate([20 * np.arange(101), 2000 + np.arange(1, 61)]).astype(float)

    assert len(coarsen(Usable(steps, steps)).values) == pytest.approx(104, abs=1)


@pytest.mark.parametrize("n, blocks", [(500, 500), (501, 251), (20000, 500)])
def test_long_series_become_at_most_500_blocks(n, blocks):
    coarse = coarsen(Usable(np.arange(float(n)), np.repeat(1.0, n)))

    assert len(coarse.values) == blocks
    assert coarse.edges[-1] == n


def test_unusable_points_are_left_out():
    curvature = np.array([1.0, np.nan, -1.0, 0.0, np.e, np.inf, 1.0, 9.0, 9.0])
    loss = np.array([1.0, 1, 1, 1, 1, 1, 0.5, 2, 3])

    points = usable_points(np.arange(9) * 10, curvature, loss)

    assert points.steps.tolist() == [0.0, 40.0, 60.0]
    assert points.log_curvature == pytest.approx([0, 1, 0])
