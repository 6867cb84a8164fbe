"""Truth: an every-step log of the same run; rows made by hand."""

from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.params import Cadence
from mstudy.core.quantities import MEASURED_COLUMNS
from mstudy.data.dataset import Dataset
from mstudy.train.ensemble.adaptive_logging import changed_fast
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.loop import Training, train_ensemble
from torch import device, equal

from tests.train.configs import RUN as SMALL

SPARSE = Cadence(dense_steps=0, growth=0.3, adaptive_factor=None, every={"sharpness": 0})
JUMPING = replace(
    SMALL,
    model="mlp-tanh-8",
    learning_rate=0.8,
    batch_size=40,
    steps=120,
    cadence=replace(SPARSE, adaptive_factor=5.0),
)


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(5)
    return Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)


def columns_of(run, data):
    return train_ensemble([run], data)[0].columns


def rows_of(curvatures):
    rows = Rows.empty(1)
    for step, value in enumerate(curvatures):
        table = np.full((1, len(MEASURED_COLUMNS)), np.nan)
        table[0, MEASURED_COLUMNS.index("loss")] = 1.0
        table[0, MEASURED_COLUMNS.index("directional_curvature")] = value
        rows.add(step, [0], table)
    return rows


def test_a_jump_between_two_rows_is_logged_step_by_step(data):
    # By the every-step log kappa is about 0 at step 63 and 3.5 at step 82, where the sparse log has its rows.
    steady = replace(JUMPING, learning_rate=0.02)

    jumped, calm = (log.columns for log in train_ensemble([JUMPING, steady], data))

    every = columns_of(
        replace(JUMPING, cadence=Cadence(dense_steps=120, adaptive_factor=None, every={"sharpness": 0})), data
    )
    sparse = columns_of(replace(JUMPING, cadence=SPARSE), data)["step"].tolist()
    assert {63, 82} < set(sparse)
    assert set(range(63, 83)) < set(jumped["step"].tolist())
    assert set(sparse) < set(jumped["step"].tolist())
    assert calm["step"].tolist() == sparse
    for name, values in every.items():
        np.testing.assert_array_equal(jumped[name], values[jumped["step"]], err_msg=name)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "heavy_ball", "momentum": 0.9, "learning_rate": 0.1},
        {"optimizer": "nesterov", "momentum": 0.5, "warmup_steps": 20, "weight_decay": 0.001, "learning_rate": 0.4},
        {"batch_size": 9, "learning_rate": 0.2},
        {"probe_samples": 20},
    ],
    ids=str,
)
def test_a_replay_repeats_the_run_to_the_bit(data, changes):
    run = replace(JUMPING, **changes)
    cadence = replace(run.cadence, adaptive_factor=2.0).measuring(edge_ratio=1)
    every = columns_of(replace(run, cadence=replace(cadence, dense_steps=120, adaptive_factor=None)), data)
    sparse = columns_of(replace(run, cadence=replace(cadence, adaptive_factor=None)), data)

    others = [replace(run, cadence=cadence, seed=1), replace(run, cadence=cadence, learning_rate=0.01)]
    found = train_ensemble([others[0], replace(run, cadence=cadence), others[1]], data)[1].columns

    assert len(found["step"]) > len(sparse["step"])
    for name, values in every.items():
        np.testing.assert_array_equal(found[name], values[found["step"]], err_msg=name)


def test_rows_and_weights_are_those_of_a_run_without_adaptive_logging(data):
    cadence = JUMPING.cadence.measuring(sharpness=3, batch_sharpness=5, critical_sharpness=3)
    run = replace(JUMPING, cadence=cadence)
    trainings = [
        Training([r], data, device("cpu")) for r in (run, replace(run, cadence=replace(cadence, adaptive_factor=None)))
    ]

    for training in trainings:
        while not training.finished:
            training.step()

    adaptive, plain = (training.logs()[0].columns for training in trainings)
    kept = np.isin(adaptive["step"], plain["step"])
    assert not kept.all()
    for name, values in plain.items():
        np.testing.assert_array_equal(adaptive[name][kept], values, err_msg=name)
    states = [training.saved()["state"] for training in trainings]
    assert states[0].keys() == states[1].keys() >= {"w", "eigenvectors"}
    for name in states[0].keys() - {"step", "members"}:
        assert equal(states[0][name], states[1][name]), name


def test_a_run_taken_up_in_the_middle_of_a_gap_logs_the_same(data):
    whole = columns_of(JUMPING, data)
    first, second = (Training([JUMPING], data, device("cpu")) for _ in range(2))
    while first.steps_done < 70:  # between the rows at 63 and 82
        first.step()

    second.restore(first.saved())
    while not second.finished:
        second.step()

    found = second.logs()[0].columns
    for name, values in whole.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_member_that_diverges_beside_a_jump_disturbs_nothing(data):
    alone = columns_of(JUMPING, data)

    wild, found = train_ensemble([replace(JUMPING, learning_rate=50.0), JUMPING], data)

    assert wild.status == "diverged"
    for name, values in alone.items():
        np.testing.assert_array_equal(found.columns[name], values, err_msg=name)


NOISE = [1.0, 3.0, 0.5, 2.0, 0.6, 2.5, 0.4, 1.5]


@pytest.mark.parametrize(
    ("curvatures", "expected"),
    [
        ([1.0, 1.1, 1.2, 1.3], False),
        ([1.0, 1.1, 1.2, 7.0], True),
        ([1.0, 1.1, 7.0, 7.1], False),  # the jump is one gap back
        ([7.0, 7.1, 7.0, 1.0], True),  # a fall is a change too
        ([1.0, 4.9], False),
        ([1.0, 5.1], True),
        ([*NOISE, 3.0], False),
        ([*NOISE, 11.0], False),  # seven times, but noise of five times is ordinary here: 3 log 5 is the least
        ([*NOISE, 300.0], True),
        ([1.0], False),
        ([], False),
        ([0.0, 0.0, 0.0], False),
        ([-1.0, -2.0, -1.0], False),
        ([1.0, -1.0], True),  # from 1 to the floor of 0.01
        ([-1.0, 1.0], True),
        ([1.0, 1e-5, -1e-5, 1e-5], False),  # all below the floor
        ([np.nan, np.nan], False),
        ([1.0, np.nan, 7.0], True),
        ([1.0, 7.0, np.nan], False),  # nothing is known of the last gap
        ([1e-30, 1e30], True),
    ],
    ids=str,
)
def test_what_counts_as_fast(curvatures, expected):
    assert changed_fast(rows_of(curvatures), 0, 5.0) is expected


def test_noise_is_judged_by_the_last_changes_alone():
    long_ago = [1.0, 100.0] * 10

    assert changed_fast(rows_of([*long_ago, *[1.0] * 9, 7.0]), 0, 5.0)
    assert not changed_fast(rows_of([*long_ago, 7.0 * 100]), 0, 5.0)


@pytest.mark.parametrize(("last", "expected"), [(2.5, False), (2.9, False), (3.1, True)])
def test_a_change_is_fast_beyond_three_ordinary_ones(last, expected):
    """Every change before is of one unit of the logarithm, up and down; so is what a factor of 1.1 would ask for."""
    ordinary = [np.exp(k % 2) for k in range(9)]

    assert changed_fast(rows_of([*ordinary, ordinary[-1] * np.exp(last)]), 0, 1.1) is expected
