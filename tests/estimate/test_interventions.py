"""Truth: branches and twins written as logs, read back, and their gaps by hand."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.all_pairs import find_all_partings
from mstudy.compare.branch_gaps import measure_branch_gaps
from mstudy.compare.final_losses import summarise_losses
from mstudy.core.errors import LogError
from mstudy.core.params import Compare, Estimate, Margins
from mstudy.estimate.event_times.contrasts import measure_treatments, with_controls
from mstudy.estimate.event_times.interventions import measure_interventions
from mstudy.pairs.pairing import pair_runs
from mstudy.runlog.reading.reader import read_runs
from mstudy.tables.contracts import BRANCH_GAPS, INTERVENTIONS, SHARPENINGS

STEPS = np.arange(100)
NO_GAPS = BRANCH_GAPS.frame([])


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

    found = {
        row["intervention"]: row for row in measure_interventions(runs.runs, sharpenings, NO_GAPS).iter_rows(named=True)
    }

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

    found = measure_interventions(read_runs(tmp_path / "runs").runs, SHARPENINGS.frame([]), NO_GAPS)

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

    assert measure_interventions(alone, SHARPENINGS.frame([]), NO_GAPS).is_empty()


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
        (
            {"branch_of": "a", "intervention": {"kind": "x", "step": 3, "end": 3}},
            "the end of an intervention must be a whole number above its step, found 3",
        ),
        (
            {"branch_of": "a", "intervention": {"kind": "x", "step": 3, "end": 9, "parent_end": 2.5}},
            "the parent_end of an intervention must be a whole number above its step, found 2.5",
        ),
        (
            {"branch_of": "a", "intervention": {"kind": "x", "step": 3, "at": "noon"}},
            "the at of an intervention must be sharpening or control, found 'noon'",
        ),
    ],
)
def test_a_branch_must_say_what_was_done(save_run, tmp_path, about, message):
    save_run(**about)

    with pytest.raises(LogError, match=message):
        read_runs(tmp_path / "runs")


def treated(save_run, tmp_path, **about):
    """A pair whose SGDM run has half the loss, a branch of its SGD run for steps 40 to 60, and one of its SGDM run."""
    save_run(log(2.0), run_id="sgd")
    save_run(log(1.0), run_id="sgdm", momentum=0.9, optimizer="heavy_ball", learning_rate=0.01)
    what = {"kind": "k", "step": 40, "end": 60, "at": "sharpening"} | about
    save_run(log(1.2), run_id="held", branch_of="sgd", intervention=what)
    about = {"momentum": 0.9, "optimizer": "heavy_ball", "learning_rate": 0.01}
    save_run(log(1.6), run_id="forced", branch_of="sgdm", intervention=what | {"kind": "raised"}, **about)
    return read_runs(tmp_path / "runs")


def test_gaps_at_the_end_of_a_treatment(save_run, tmp_path):
    runs = treated(save_run, tmp_path)

    gaps = {row["branch_run_id"]: row for row in measure_branch_gaps(runs.runs, runs.points).iter_rows(named=True)}

    lag = 0.009  # of nine updates, at the rate of 0.001 at which the losses fall
    assert gaps["held"]["gap_parent"] == pytest.approx(np.log(2) + lag, abs=1e-4)
    assert gaps["held"]["gap_branch"] == pytest.approx(np.log(1.2) + lag, abs=1e-4)
    assert gaps["forced"]["gap_parent"] == pytest.approx(np.log(2) + lag, abs=1e-3)
    assert gaps["forced"]["gap_branch"] == pytest.approx(np.log(2 / 1.6) + lag, abs=1e-3)


def test_a_branch_that_goes_slower_is_held_against_its_parent_where_it_is_as_far(save_run, tmp_path):
    fast = treated(save_run, tmp_path, end=80, parent_end=60)

    gaps = measure_branch_gaps(fast.runs, fast.points).filter(branch_run_id="held").row(0, named=True)

    late = 0.875  # the mean of the shares of the window at which losses are read
    later = 0.001 * late * (40 - 20)  # what the branch's loss falls by, beyond its parent's step
    assert gaps["gap_parent"] - gaps["gap_branch"] == pytest.approx(np.log(2 / 1.2) + later, abs=1e-6)


def test_a_window_may_end_with_the_training_although_sgdm_lags(save_run, tmp_path):
    runs = treated(save_run, tmp_path, end=99)

    gaps = {row["branch_run_id"]: row for row in measure_branch_gaps(runs.runs, runs.points).iter_rows(named=True)}

    # From step 84 to 99, of which SGDM, nine updates behind, has reached only the first six.
    assert gaps["held"]["gap_branch"] is None
    wide = measure_branch_gaps(runs.runs, runs.points.filter(pl.col("run_id") != "sgdm"))
    assert wide.filter(branch_run_id="held")["gap_branch"].to_list() == [None]
    long = treated(save_run, tmp_path, step=10, end=96)
    gap = measure_branch_gaps(long.runs, long.points).filter(branch_run_id="held")["gap_branch"][0]
    assert gap == pytest.approx(np.log(1.2) + 0.009, abs=1e-4)


def test_a_branch_that_diverges_within_its_window_has_no_gap(save_run, tmp_path):
    runs = treated(save_run, tmp_path)
    points = runs.points.filter((pl.col("run_id") != "held") | (pl.col("step") < 55))

    found = measure_branch_gaps(runs.runs, points).filter(branch_run_id="held")

    assert found["gap_branch"].to_list() == [None]
    assert found["gap_parent"].null_count() == 0


def test_what_happens_after_a_treatment_is_not_of_it(save_run, tmp_path):
    runs = treated(save_run, tmp_path)
    fates = [
        ("sgd", "detected", 50.0),
        ("held", "detected", 70.0),
        ("forced", "detected", 50.0),
        ("sgdm", "none", None),
    ]
    sharpenings = SHARPENINGS.frame([{"run_id": r, "status": s, "step": at} for r, s, at in fates])

    gaps = measure_branch_gaps(runs.runs, runs.points)
    found = {row["branch_run_id"]: row for row in measure_interventions(runs.runs, sharpenings, gaps).rows(named=True)}

    assert (found["held"]["sharpened_parent"], found["held"]["sharpened_branch"]) == (True, False)
    assert (found["forced"]["of_sgdm"], found["forced"]["sharpened_branch"]) == (True, True)
    assert found["held"]["gap_branch"] == gaps.filter(branch_run_id="held")["gap_branch"][0]
    assert (found["held"]["intervention_at"], found["held"]["intervention_end"]) == ("sharpening", 60)


def paired(effects, control, kind="k"):
    """Branches of three blocks and some seeds: what goes of a gap of 0.5, and what goes at the control time."""
    rows = []
    for block in range(3):
        for seed, (effect, anyway) in enumerate(zip(effects, control, strict=True)):
            key = {"study": "s", "model": "m", "dataset": "d", "objective": "o", "batch_size": 8, "momentum": 0.9}
            key |= {"eta_ef": 0.1 * (block + 1), "optimizer": "heavy_ball", "seed": seed, "intervention": kind}
            for at, gap, gone in (("sharpening", 0.5, effect), ("control", 0.0, anyway)):
                gaps = {"gap_parent": gap, "gap_branch": None if gone is None else gap - gone}
                about = {"branch_run_id": f"{kind} {block} {seed} {at}", "by_momentum": False, "of_sgdm": False}
                events = {"sharpened_parent": at == "sharpening", "sharpened_branch": False}
                rows.append(key | about | gaps | events | {"intervention_at": at})
    return INTERVENTIONS.frame(rows)


def test_a_contrast_is_what_goes_at_the_sharpening_less_what_goes_anyway():
    known = with_controls(paired([0.5, 0.4, 0.6], [0.1, 0.0, 0.2]))

    assert known["contrast"].to_list() == pytest.approx([0.4, 0.4, 0.4] * 3)
    assert known["intervention_at"].unique().to_list() == ["sharpening"]


def test_effects_of_treatments_are_means_over_blocks():
    branches = pl.concat([paired([0.5, 0.4, 0.6], [0.1, 0.0, 0.2]), paired([None, 0.2, 0.2], [0.2] * 3, "other")])

    first, other = measure_treatments(branches, Estimate()).rows(named=True)

    assert (first["intervention"], first["unit"], first["n"], first["n_branches"]) == ("k", "blocks", 3, 9)
    assert first["effect_sharpening"] == pytest.approx(0.5)
    assert first["effect_control"] == pytest.approx(0.1)
    assert first["contrast"] == pytest.approx(0.4)
    assert (first["gap_parent"], first["gap_branch"]) == pytest.approx((0.5, 0.0))
    assert (first["n_diverged"], first["n_removed"]) == (0, 9)
    assert (other["n_diverged"], other["n_removed"]) == (3, 6)
    assert other["contrast"] == pytest.approx(0.0)


def test_without_a_control_there_is_no_treatment_to_list():
    alone = paired([0.5, 0.4], [0.1, 0.0]).filter(intervention_at="sharpening")

    assert measure_treatments(alone, Estimate()).is_empty()
    assert with_controls(alone)["contrast"].null_count() == len(alone)
