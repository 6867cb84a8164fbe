"""What steps count. Truth: by hand; each source holds two clocks that differ."""

import json
import re

import numpy as np
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping
from mstudy.importers.reclock import with_clock
from mstudy.importers.source_run import Clock, SourceRun

from tests.importers.conftest import FACTS, columns
from tests.importers.test_assemble import series


@pytest.fixture
def history(tmp_path):
    def save(rows, name="history.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / name

    return save


@pytest.mark.parametrize("name", ["trainer/global_step", "train/global_step", "global_step", "iteration"])
def test_updates_go_before_calls_of_the_logger(history, imported, name):
    rows = [{"_step": k, name: 50 * k, "loss": 1.0} for k in range(1, 5)] + [{"_step": 9, "loss": 3.0}]

    run = imported("wandb", history(rows)).runs["history"]

    assert run.columns["step"].tolist() == [50, 100, 150, 200]
    assert run.used_columns["step"] == name
    assert f"1 rows without a {name} are left out" in run.notes
    assert f"steps are those of {name}, and _step counts otherwise; columns.step of a map chooses" in run.notes
    assert run.metadata["rows_left_out"] == 1
    chosen = imported("wandb", history(rows), columns={"step": "_step"}).runs["history"]
    assert chosen.columns["step"].tolist() == [1, 2, 3, 4, 9]


def test_a_column_of_updates_without_numbers_is_none(history, imported):
    rows = [{"_step": k, "global_step": None, "loss": 1.0} for k in range(3)]

    assert columns(imported("wandb", history(rows)), "history")["step"] == [0, 1, 2]


def epochs(with_steps):
    return [{"epoch": e, "step": s, "loss": 1 / (1 + e)} for e in range(1, 4) for s in with_steps]


def test_steps_that_begin_again_in_each_epoch_count_on(history, imported):
    run = imported("csv", history(epochs(range(10)))).runs["history"]
    assert run.columns["step"].tolist() == list(range(30))
    assert "steps are (epoch − 1) · 10 + step, which begins again in each epoch" in run.notes

    facts = FACTS | {"n_train": 8 * 40}
    rows = epochs([0, 30])
    (history(rows).parent / "config.json").write_text(json.dumps(facts))
    assert columns(imported("csv", history(rows)), "history")["step"] == [0, 30, 40, 70, 80, 110]


def test_steps_that_begin_again_need_the_steps_of_an_epoch(history, imported):
    for steps in ([0, 30], [0]):
        with pytest.raises(LogError, match="Steps must count on over epochs, found that step begins again in each in"):
            imported("csv", history(epochs(steps)))
    facts = FACTS | {"steps_per_epoch": 32}
    assert columns(imported("csv", history(epochs([0])), values=facts), "history")["step"] == [0, 32, 64]


def test_steps_of_an_epoch_that_have_no_effect_are_refused(history, imported):
    facts = FACTS | {"steps_per_epoch": 32}
    source = history([{"step": k, "loss": 1.0} for k in range(3)])

    with pytest.raises(LogError, match="steps_per_epoch must have an effect, found that step counts the steps in"):
        imported("csv", source, values=facts)
    run = imported("csv", source, values=facts, columns={"step": "step"}).runs["history"]
    assert run.columns["step"].tolist() == [0, 32, 64]
    with pytest.raises(LogError, match="steps_per_epoch must be a number above 0, found -1 in the map"):
        imported("csv", source, values=facts | {"steps_per_epoch": -1})


def test_epochs_of_wandb_with_the_steps_of_one(history, imported):
    rows = [{"_step": 2 * k, "epoch": k, "loss": 1.0} for k in range(4)]

    assert columns(imported("wandb", history(rows), values=FACTS | {"steps_per_epoch": 98}), "history")["step"] == [
        0,
        98,
        196,
        294,
    ]


def tool_run(clock=Clock.OF_THE_TOOL):
    own = {"loss": series((0, 2), (1, 1), (5, 0.5)), "updates": series((0, 0), (1, 100))}
    return SourceRun("a", own, FACTS, clock=clock)


def test_a_metric_of_any_tool_can_be_its_clock():
    found = with_clock(tool_run(), Mapping({"step": "updates"}))

    assert (found.series["loss"].steps.tolist(), found.series["loss"].values.tolist()) == ([0, 100], [2.0, 1.0])
    assert found.notes == ("1 values are left out that have no updates beside them",)
    with pytest.raises(LogError, match="columns.step must be a metric of the run, found 'x' beside loss, updates"):
        with_clock(tool_run(), Mapping({"step": "x"}))
    with pytest.raises(LogError, match="loss must hold whole numbers, found 0.5"):
        with_clock(tool_run(), Mapping({"step": "loss"}))


def test_epochs_of_any_tool_become_updates():
    mapping = Mapping(values={"steps_per_epoch": 98})

    found = with_clock(tool_run(), mapping)
    assert found.series["loss"].steps.tolist() == [0, 98, 490]
    assert found.notes == ("steps are those of the source times 98",)
    with pytest.raises(LogError, match="steps_per_epoch must have an effect, found that the source counts updates"):
        with_clock(tool_run(Clock.UPDATES), mapping)
    with pytest.raises(LogError, match="steps_per_epoch must leave steps below"):
        with_clock(SourceRun("a", {"loss": series((2**52, 1))}), mapping)


def test_a_loss_without_steps_is_refused(imported, tmp_path):
    run = tmp_path / "0" / "abc"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 3\n")
    (run / "metrics" / "loss").write_text("".join(f"{k} {1 / (k + 1)} 0\n" for k in range(30)))

    with pytest.raises(LogError, match="loss must be logged with steps, found 30 values at step 0: their logger was"):
        imported("mlflow", tmp_path)


def test_pages_with_any_x_axis(imported, tmp_path):
    def page(axis, metric, name="page.csv", extra=""):
        head = f'"{axis}","r - {metric}","r - {metric}__MIN"{extra}\n'
        (tmp_path / name).write_text(head + "".join(f'"{50 * k}","{1 / (k + 1)}","0"\n' for k in range(4)))
        return tmp_path / name

    for axis in ("Step", "trainer/global_step", "global_step", "num_samples_seen"):
        given = {} if axis != "num_samples_seen" else {"columns": {"step": axis}}
        run = imported("wandb", page(axis, "train/loss"), **given).runs["r"]
        assert run.columns["step"].tolist() == [0, 50, 100, 150]
    epochs = imported("wandb", page("epoch", "loss"), values=FACTS | {"steps_per_epoch": 2}).runs["r"]
    assert epochs.columns["step"].tolist() == [0, 100, 200, 300]
    for axis in ("Wall Time", "Relative Time (Process)", "val/loss", "num_samples_seen"):
        with pytest.raises(LogError, match=f"x axis must count updates or epochs, found {re.escape(axis)} in"):
            imported("wandb", page(axis, "loss"))
    (tmp_path / "page.csv").write_text(
        "Wall Time,r - _step,r - loss\n" + "".join(f"{k}.5,{7 * k},1.5\n" for k in range(3))
    )
    assert imported("wandb", tmp_path / "page.csv").runs["r"].columns["step"].tolist() == [0, 7, 14]
    with pytest.raises(LogError, match="columns.step must be the x axis of the page or a metric of it, found x in"):
        imported("wandb", page("Step", "loss"), columns={"step": "x"})
    page("Step", "loss")
    page("global_step", "kappa", "other.csv")
    with pytest.raises(LogError, match="All pages of a run must have one x axis, found global_step, step; export"):
        imported("wandb", tmp_path)


def test_steps_beyond_floats_in_epochs_are_refused(history, imported):
    rows = [{"epoch": float(np.nextafter(1e15, 2e15)), "loss": 1.0}]

    with pytest.raises(LogError, match="epoch must hold whole numbers"):
        imported("csv", history(rows), values=FACTS | {"steps_per_epoch": 1e6})


def test_steps_as_written_stay_as_they_are_up_to_what_a_float_holds():
    """Those beyond 2^53 on either side become it."""
    written = {"loss": np.array([-(2**63), -(2**53) + 2, -(2**52) - 1, 2**52 + 1, 2**63 - 1])}
    run = SourceRun("a", {"loss": series((0, 1))}, written=written)

    found = with_clock(run, Mapping(values={"steps_per_epoch": 1}))

    assert found.written["loss"].tolist() == [-(2**53), -(2**53) + 2, -(2**52) - 1, 2**52 + 1, 2**53]


def test_steps_that_go_on_by_one_into_the_next_epoch_do_not_begin_again(history, imported):
    """Four rows of two epochs count 0 to 3 as one; the 40 updates of an epoch would have made 40 of the third."""
    rows = [{"epoch": 1 + k // 2, "step": k, "loss": 1 / (1 + k)} for k in range(4)]
    (history(rows).parent / "config.json").write_text(json.dumps(FACTS | {"n_train": 8 * 40}))

    assert columns(imported("csv", history(rows)), "history")["step"] == [0, 1, 2, 3]
