"""Twins of SGD runs. Truth: NumPy's neighbours of a float, permutations, and a quadratic, which has no chaos."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from mstudy.analyze import analyze
from mstudy.core.errors import ConfigError
from mstudy.core.params import Cadence, Grid, Study
from mstudy.curvature.flat_rows import nudged
from mstudy.data.dataset import Dataset
from mstudy.runlog.reading.reader import read_run
from mstudy.train.configs import plan_runs
from mstudy.train.ensemble.minibatches import MiniBatches
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.stage import ensembles, train_study
from mstudy.train.sweep.store import Store

CPU = torch.device("cpu")
STUDY = Study(batch_sizes=(8, "full"), eta_ef=Grid(0.1, 0.4, 3), momenta=(0.0, 0.9), seeds=3, twins=2)
QUADRATIC = Study(
    dataset="quadratic",
    model="linear",
    batch_sizes=(64, "full"),
    eta_ef=Grid(0.05, 0.1, 2),
    momenta=(0.0, 0.9),
    seeds=2,
    twins=2,
    steps=80,
    width=8,
    log=Cadence(dense_steps=80, every={"sharpness": 0}),
)


def plan(study=STUDY):
    return plan_runs("s", study, Dataset("toy", np.zeros((64, 3)), np.zeros(64, dtype=np.int64), 2))


def test_twins_repeat_sgd_at_the_middle_rate_and_change_no_other_run():
    runs, without = plan(), plan(replace(STUDY, twins=0))

    twins = runs[len(without) :]
    assert runs[: len(without)] == without
    assert STUDY.n_runs == len(runs) == len({run.run_id for run in runs}) == 2 * 3 * 2 * 3 + 6
    assert [(run.batch_size, run.learning_rate, run.momentum, run.seed, run.twin) for run in twins] == [
        *((8, 0.2, 0.0, seed, kind) for seed in (0, 1) for kind in ("rounding", "order")),
        *((64, 0.2, 0.0, seed, "rounding") for seed in (0, 1)),  # at full batch there is no order
    ]
    about = [twin.metadata() for twin in twins]
    assert all("twin" not in each for each in about)
    assert [each["twin_of"] for each in about] == [replace(twin, twin=None).run_id for twin in twins]
    assert {each["twin_of"] for each in about} < {run.run_id for run in without}
    assert about[1]["twin_kind"] == "order"
    later = [run.seed for run in plan(replace(STUDY, first_seed=5)) if run.twin is not None]
    assert later == [5, 5, 6, 6, 5, 6]


def test_twins_train_apart_so_that_the_ensembles_of_the_others_stay():
    widths = {8: 4, 64: 4}
    groups, before = ensembles(plan(), widths), ensembles(plan(replace(STUDY, twins=0)), widths)

    assert [group for group in groups if group[0].twin is None] == before
    assert all(len({run.twin is None for run in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"twins": -1}, "twins must be at least 0 and at most seeds = 3, found -1"),
        ({"twins": 4}, "twins must be at least 0 and at most seeds = 3, found 4"),
        ({"momenta": (0.5,)}, r"twins must be 0 where momenta lack 0 \(twins are of SGD\), found 2"),
    ],
)
def test_a_study_cannot_have_twins_of_what_it_does_not_train(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(STUDY, **change)


def test_a_nudged_weight_is_the_next_float_and_zeros_stay():
    row = np.array([0.5, -0.5, 0.0, 3e-5, 1.0, 0.0], dtype=np.float32)

    moved = nudged(torch.from_numpy(row)).numpy()

    up, down = np.float32(np.inf), np.float32(-np.inf)
    np.testing.assert_array_equal(
        moved, [np.nextafter(row[0], up), np.nextafter(row[1], down), 0, np.nextafter(row[3], down), moved[4], 0]
    )
    assert moved[4] == np.nextafter(np.float32(1), up)


def test_a_twin_begins_where_it_must():
    run = next(run for run in plan() if run.batch_size == 8 and run.learning_rate == 0.2 and run.momentum == 0)
    trio = [run, replace(run, twin="rounding"), replace(run, twin="order")]
    data = Dataset("toy", np.random.default_rng(0).normal(size=(64, 3)), np.arange(64) % 2, 2)

    own, rounding, order = Ensemble(trio, data, CPU).start().w.double()

    assert torch.equal(own, order)
    assert 0 < (own - rounding).abs().max() < 1e-7


def test_another_order_is_a_permutation_too_and_depends_on_the_seed():
    batches = MiniBatches(12, 4, [1, 1, 2], [False, True, True])

    epoch = np.concatenate([batches.at(step) for step in range(3)], axis=1)

    assert (np.sort(epoch) == np.arange(12)).all()
    assert (epoch[0] == np.concatenate([MiniBatches(12, 4, [1]).at(step) for step in range(3)], axis=1)[0]).all()
    assert len({tuple(order) for order in epoch.tolist()}) == 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins")
    train_study("s", QUADRATIC, Store(folder / "store"), folder / "runs", workers=1, device="cpu")
    return folder / "runs"


@pytest.fixture(scope="module")
def result(trained):
    return analyze(trained)


def test_on_a_quadratic_twins_by_rounding_do_not_part(trained, result):
    twins = result["twins"]

    assert twins.group_by("batch_size", "kind").len().sort("batch_size", "kind").rows() == [
        (64, "order", 2), (64, "rounding", 2), (512, "rounding", 2),
    ]  # fmt: skip
    by_rounding = twins.filter(kind="rounding")
    assert by_rounding["status"].to_list() == ["none"] * 4
    assert by_rounding["late_gap"].abs().max() < 1e-4
    # The same batches: at each step the losses agree to rounding. Another order: they do not, but begin alike.
    order = twins.filter(kind="order").row(0, named=True)
    own, other = (read_run(trained / f"{order[name]}.parquet").points for name in ("run_id", "twin_run_id"))
    apart = (own["loss"].log() - other["loss"].log()).abs()
    assert apart[0] == order["first_gap"] == 0 and apart[10:].max() > 1e-3


def test_the_first_difference_of_a_twin_by_rounding_is_that_of_its_weights(result):
    gaps = result["twins"].filter(kind="rounding")["first_gap"].abs()

    assert gaps.max() < 1e-6


def test_twins_change_no_table_of_pairs_and_no_claim(trained, result, tmp_path):
    for path in trained.iterdir():
        if path.stem not in result["twins"]["twin_run_id"]:
            (tmp_path / path.name).symlink_to(path)

    without = analyze(tmp_path)

    of_runs = ("runs", "sharpenings", "sharpening_events", "twins", "horizon_losses")
    for name in without.tables:
        if name not in of_runs:
            assert result[name].equals(without[name]), name
    told = [json.dumps({k: vars(v) for k, v in each.claims.items()}, default=str) for each in (result, without)]
    assert told[0] == told[1]
    assert len(without["runs"]) == len(result["runs"]) - 6
    assert pl.Series(result["runs"]["twin_kind"]).drop_nulls().len() == 6
