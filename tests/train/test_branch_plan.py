"""From runs that sharpen to their branches. Truth: by hand."""

from dataclasses import replace

import numpy as np
import pytest
from mstudy import branch as command
from mstudy.branch import branch_study
from mstudy.core.errors import ConfigError, LogError
from mstudy.core.params import Analysis, Branches, Grid
from mstudy.core.statuses import BranchTime
from mstudy.data.dataset import Dataset
from mstudy.runlog.reading.reader import read_runs
from mstudy.tables.contracts import SHARPENINGS
from mstudy.train.branch_plan import Window, check_branches, plan_branches, window_before
from mstudy.train.configs import plan_runs
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store

from tests.train.configs import STUDY

ROWS = np.arange(0, 100, 2)
HOW = Branches(lead=3, control=0.25)


@pytest.mark.parametrize(
    ("onset", "n_steps", "window"),
    [
        (47.0, 200, Window(40, 10, 30)),  # rows 46, 44, 42 lie between
        (46.0, 200, Window(40, 10, 30)),
        (46.0, 60, Window(40, 10, 20)),  # no longer than what is left of the training
        (46.0, 42, None),
        (10.0, 200, None),  # from step 4, with a control at 1
        (4.0, 200, None),
    ],
)
def test_branches_begin_some_rows_before_the_onset(onset, n_steps, window):
    assert window_before(ROWS, onset, n_steps, HOW) == window


def plan(study):
    data = Dataset("d", np.zeros((64, 3)), np.zeros(64, dtype=np.int64), 2)
    return plan_runs("s", study, data)


STUDY_OF_RATES = replace(STUDY, eta_ef=Grid(0.1, 0.4, 3), momenta=(0.0, 0.5, 0.9), steps=100)


def test_each_treatment_branches_at_both_times_from_the_run_that_it_is_for():
    runs = plan(STUDY_OF_RATES)
    parent = next(run for run in runs if run.momentum == 0 and run.seed == 1)
    partner = next(run for run in runs if run.momentum == 0.9 and run.seed == 1)
    how = Branches(treatments=("projected", "momentum", "raised_rate"), search_every=2, share_of_line=0.7)

    branches = plan_branches(runs, {parent.run_id: Window(40, 10, 30)}, how, STUDY_OF_RATES)

    assert [(run.branching.kind, run.branching.at, run.branching.step, run.branching.end) for run in branches] == [
        ("projected", BranchTime.SHARPENING, 40, 70),
        ("projected", BranchTime.CONTROL, 10, 40),
        ("momentum 0.9 from rest", BranchTime.SHARPENING, 40, 70),
        ("momentum 0.9 from rest", BranchTime.CONTROL, 10, 40),
        ("raised rate of SGDM", BranchTime.SHARPENING, 40, 70),
        ("raised rate of SGDM", BranchTime.CONTROL, 10, 40),
    ]
    assert [run.metadata()["branch_of"] for run in branches] == [parent.run_id] * 4 + [partner.run_id] * 2
    assert (branches[0].branching.projection.every, branches[0].branching.projection.share_of_line) == (2, 0.7)


def test_the_rates_of_most_seeds_are_chosen_and_then_the_highest():
    sgd = [run for run in plan(STUDY_OF_RATES) if run.momentum == 0]
    sharpened = [run for run in sgd if (run.learning_rate, run.seed) != (0.4, 1)]
    windows = {run.run_id: Window(40, 10, 30) for run in sharpened}
    how = Branches(treatments=("projected",), rates=1)

    def rates(n):
        return {run.learning_rate for run in plan_branches(sgd, windows, replace(how, rates=n), STUDY_OF_RATES)}

    assert (rates(1), rates(2), rates(None)) == ({0.2}, {0.1, 0.2}, {0.1, 0.2, 0.4})


@pytest.mark.parametrize(
    ("momenta", "treatments", "message"),
    [
        ((0.9,), ("projected",), r"studies\.s\.momenta must have 0 where there are branches\.s .*, found \[0\.9\]"),
        ((0.0,), ("projected", "momentum"), r"must have one above 0 for the treatments momentum of branches\.s, found"),
        ((0.0,), ("raised_rate",), "must have one above 0 for the treatments raised_rate"),
    ],
)
def test_a_study_must_have_what_its_branches_need(momenta, treatments, message):
    with pytest.raises(ConfigError, match=message):
        check_branches("s", replace(STUDY, momenta=momenta), Branches(treatments=treatments))
    check_branches("s", replace(STUDY, momenta=(0.0,)), Branches(treatments=("projected", "lower_rate")))


@pytest.fixture
def found(monkeypatch):
    """Every run is said to begin its sharpening at step 20."""

    def search(folder, params, workers):
        rows = [{"run_id": run, "status": "detected", "step": 22.0, "onset": 20.0} for run in folder.scanned["run_id"]]
        return SHARPENINGS.frame(rows)

    monkeypatch.setattr(command, "search_runs", search)


SMALL = replace(STUDY, steps=40, width=4)


def test_branches_are_trained_into_the_store_and_read_back(found, tmp_path):
    store, runs, out = Store(tmp_path / "store"), tmp_path / "runs/s", tmp_path / "runs/s-branches"
    train_study("s", SMALL, store, runs, 1, "cpu")
    how = Branches(treatments=("unchanged", "lower_rate"))

    first = branch_study("s", SMALL, how, Analysis(), store, runs, out, 1, "cpu")
    again = branch_study("s", SMALL, how, Analysis(), store, runs, out, 1, "cpu")

    assert (first, again) == ((8, 8), (8, 0))  # two seeds, two treatments, two times
    folder = read_runs(tmp_path / "runs")
    assert folder.left_out == []
    points = dict(folder.points.select("run_id", "loss").group_by("run_id").agg("loss").iter_rows())
    for row in folder.runs.filter(intervention="unchanged").iter_rows(named=True):
        assert points[row["run_id"]] == points[row["branch_of"]]
    slow = folder.runs.filter(intervention="lower rate", intervention_at="sharpening").row(0, named=True)
    assert slow["intervention_step"] == 17  # of the rows 17, 18, 19 and 20, every step has one
    assert slow["intervention_end"] - 17 == 2 * (slow["intervention_parent_end"] - 17)
    assert slow["last_step"] == 40 + slow["intervention_end"] - slow["intervention_parent_end"]


def test_runs_of_another_study_cannot_branch(found, tmp_path):
    store, runs = Store(tmp_path / "store"), tmp_path / "runs/s"
    train_study("s", SMALL, store, runs, 1, "cpu")

    with pytest.raises(LogError, match=r"must hold the SGD runs of the study .*, found 2 of 2 missing in .*train them"):
        branch_study("s", replace(SMALL, steps=41), Branches(), Analysis(), store, runs, tmp_path / "out", 1, "cpu")


def test_the_command_trains_and_analyzes(found, mstudy, monkeypatch, tmp_path):
    (tmp_path / "params.yaml").write_text(
        "studies: {s: {n_train: 64, model: mlp-tanh-8, batch_sizes: [16], seeds: 2, steps: 40, width: 4,"
        " momenta: [0.0, 0.9], eta_ef: {low: 0.1, high: 0.1, points: 1}}}\n"
        "branches: {s: {treatments: [momentum]}}\n"
    )
    analyzed = []
    monkeypatch.setattr("mstudy.cli.branch.analyze_all", lambda runs, out, *_, **__: analyzed.append((runs, out)))
    about = ("--params", tmp_path / "params.yaml", "--store", tmp_path / "store", "--workers", 1, "--device", "cpu")
    assert mstudy("train", "s", "--out", tmp_path / "runs/s", *about)[0] == 0

    code, said, _ = mstudy("branch", "s", "--runs", tmp_path / "runs/s", "--analysis", tmp_path / "study", *about)

    assert (code, said) == (0, f"4 branches trained, all 4 branches of s in {tmp_path}/runs/s-branches\n")
    assert analyzed == [(tmp_path / "runs", tmp_path / "study")]
    code, _, fault = mstudy("branch", "t", "--runs", tmp_path / "runs/s", *about)
    assert (code, "branches must name the study whose runs are to branch" in fault) == (1, True)
