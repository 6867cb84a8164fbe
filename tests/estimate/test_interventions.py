"""Truth: branches and twins written as logs, read back, and their gaps by hand."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.all_pairs import find_all_partings
from mstudy.compare.final_losses import summarise_losses
from mstudy.core.errors import LogError
from mstudy.core.params import Compare, Margins
from mstudy.estimate.event_times.interventions import measure_interventions
from mstudy.pairs.pairing import pair_runs
from mstudy.runlog.reading.reader import read_runs
from mstudy.tables.contracts import SHARPENINGS

STEPS = np.arange(100)


def log(level):
    return {"step": STEPS, "loss": level * np.exp(-0.001 * STEPS)}


@pytest.fixture
def runs(save_run, tmp_path):
    """One pair, two branches of its SGD run, and two twins of it."""
    save_run(log(2.0), run_id="sgd")
    save_run(log(1.0), run_id="sgdm", momentum=0.9, optimizer="heavy_ball", learning_rate=0.01)
    for name, level in (("held", 1.1), ("let-go", 1.9)):
        about = {"branch_of": "sgd", "intervention": {"kind": name, "step": 40}}
        save_run(log(level), run_id=name, **about)
    for name in ("twin-1", "twin-2"):
        save_run(log(2.1), run_id=name, twin_of="sgd")
    return read_runs(tmp_path / "runs")


def test_gaps_and_sharpenings_of_branches(runs):
    fates = [("sgd", "detected", 60.0), ("sgdm", "none", None), ("held", "none", None), ("let-go", "detected", 30.0)]
    sharpenings = SHARPENINGS.frame([{"run_id": r, "status": s, "step": at} for r, s, at in fates])

    found = {row["intervention"]: row for row in measure_interventions(runs.runs, sharpenings).iter_rows(named=True)}

    assert set(found) == {"held", "let-go"}
    assert found["held"]["gap_parent"] == pytest.approx(np.log(2.0))
    assert found["held"]["gap_branch"] == pytest.approx(np.log(1.1))
    assert (found["held"]["sharpened_parent"], found["held"]["sharpened_branch"]) == (True, False)
    # Before the branching it happened to the parent too.
    assert found["let-go"]["sharpened_branch"] is False
    assert found["let-go"]["intervention_step"] == 40


def test_a_branch_that_went_on_with_momentum_is_compared_with_that_momentum_alone(save_run, tmp_path):
    save_run(log(2.0), run_id="sgd")
    for momentum in (0.5, 0.9):
        about = {"momentum": momentum, "optimizer": "heavy_ball", "learning_rate": 0.1 * (1 - momentum)}
        save_run(log(1 + momentum), run_id=f"sgdm-{momentum}", **about)
        what = {"kind": f"momentum {momentum}", "step": 40, "momentum": momentum}
        save_run(log(1.0), run_id=f"branch-{momentum}", branch_of="sgd", intervention=what)

    found = measure_interventions(read_runs(tmp_path / "runs").runs, SHARPENINGS.frame([]))

    assert sorted(found.select("momentum", "intervention").rows()) == [(0.5, "momentum 0.5"), (0.9, "momentum 0.9")]
    assert sorted(found["gap_branch"]) == pytest.approx([-np.log(1.9), -np.log(1.5)])


def test_branches_and_twins_are_in_no_pair_and_no_mean(runs):
    assert pair_runs(runs.runs)["sgd_run_id"].to_list() == ["sgd"]
    assert summarise_losses(runs.runs)["n_finished"].to_list() == [1, 1]


def test_twins_are_compared_with_the_run_they_repeat(runs):
    (cell,) = find_all_partings(runs.runs, runs.points, Margins(), Compare()).cells.rows(named=True)

    assert cell["n_twins"] == 2
    assert cell["twin_gap"] == pytest.approx(np.log(2.1 / 2.0))


def test_without_branches_there_is_no_row(runs):
    alone = runs.runs.filter(pl.col("branch_of").is_null())

    assert measure_interventions(alone, SHARPENINGS.frame([])).is_empty()


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"branch_of": "a"}, "a branch must give branch_of and intervention"),
        ({"intervention": {"kind": "x", "step": 3}}, "found branch_of None"),
        ({"branch_of": "a", "intervention": {"kind": 3, "step": 3}}, "a branch must give"),
        ({"branch_of": "a", "intervention": {"kind": "x"}}, "a branch must give branch_of and intervention"),
        (
            {"branch_of": "a", "intervention": {"kind": "x", "step": 3, "momentum": "0.9"}},
            "the momentum of an intervention must be at least 0 and at most 1 - 1e-9, found '0.9'",
        ),
    ],
)
def test_a_branch_must_say_what_was_done(save_run, tmp_path, about, message):
    save_run(**about)

    with pytest.raises(LogError, match=message):
        read_runs(tmp_path / "runs")
