"""Truth: rows written in order, then put out of it; restarts by hand."""

import json
import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.row_order import in_order, lost_rows
from mstudy.importers.run_import import write_plan
from mstudy.importers.source_run import Series

from tests.importers.conftest import columns

LOSSES = [round(2.0 / (k + 1), 4) for k in range(60)]


def series(*points):
    return Series(np.array([p[0] for p in points], dtype=np.int64), np.array([float(p[1]) for p in points]))


def points_of(found):
    return list(zip(found.steps.tolist(), found.values.tolist(), strict=True))


@pytest.fixture
def save(tmp_path):
    """Write (step, loss) rows as one kind's file: save(kind, rows) -> the source."""

    def write(kind, rows):
        source = tmp_path / "src"
        source.mkdir(exist_ok=True)
        if kind == "csv":
            (source / "a.csv").write_text("step,loss\n" + "".join(f"{s},{v}\n" for s, v in rows))
        elif kind == "wandb":
            lines = [json.dumps({"_step": s, "loss": v}) + "\n" for s, v in rows]
            (source / "a.jsonl").write_text("".join(lines))
        elif kind == "tensorboard":
            _write_events(source, rows)
        else:
            _write_database(source / "mlflow.db", rows)
        return source

    return write


def _write_events(source, rows):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(source / "a") as writer:
        for step, value in rows:
            writer.add_scalar("loss", value, step, new_style=True, double_precision=True)


def _write_database(path, rows):
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.executescript("""
        CREATE TABLE runs (run_uuid, status, lifecycle_stage); CREATE TABLE params (key, value, run_uuid);
        CREATE TABLE metrics (key, value FLOAT, timestamp, run_uuid, step, is_nan);
        INSERT INTO runs VALUES ('a', 'FINISHED', 'active');""")
        points = [(value, time, step) for time, (step, value) in enumerate(rows)]
        made.executemany("INSERT INTO metrics VALUES ('loss', ?, ?, 'a', ?, 0)", points)
        made.commit()


@pytest.mark.parametrize("kind", ["csv", "wandb", "tensorboard", "mlflow"])
@pytest.mark.parametrize("order", ["newest first", "shuffled", "every row twice"])
def test_rows_out_of_order_are_all_there(save, imported, kind, order):
    rows = list(enumerate(LOSSES))
    if order == "every row twice":
        rows += rows
    random.Random(1).shuffle(rows)
    if order == "newest first":
        rows.sort(reverse=True)

    (run,) = imported(kind, save(kind, rows)).runs.values()

    assert (run.columns["step"].tolist(), run.columns["loss"].tolist()) == (list(range(60)), LOSSES)
    left_out = [
        "60 of 120 rows of loss are left out: a later row has the same step, or a restart goes back to before "
        "them; 0 steps are lost by that"
    ]
    assert list(run.notes) == (left_out if order == "every row twice" else [])


@pytest.mark.parametrize("kind", ["csv", "wandb", "tensorboard"])
def test_a_stray_row_that_would_take_most_steps_is_refused(save, imported, tmp_path, kind):
    source = save(kind, [*enumerate(LOSSES), (0, 7.0)])

    with pytest.raises(LogError, match="Restarts must leave at least half of the steps of loss, found 59 of 60 steps"):
        imported(kind, source)
    facts = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0}
    (run,) = imported(kind, source, values=facts | {"restarts": True}).runs.values()
    assert run.columns["loss"].tolist() == [7.0]
    assert run.notes[0].startswith("60 of 61 rows of loss are left out")
    assert "restarts" not in run.metadata


def test_half_of_the_steps_may_go_and_no_more(save, imported):
    steps = list(range(10))

    (run,) = imported("csv", save("csv", [(s, 1.0) for s in steps] + [(4, 2.0)])).runs.values()

    assert run.columns["loss"].tolist() == [1.0] * 4 + [2.0]
    assert run.notes == (
        "6 of 11 rows of loss are left out: a later row has the same step, or a restart goes back to before them; "
        "5 steps are lost by that",
    )
    with pytest.raises(LogError, match="found 6 of 10 steps lost"):
        imported("csv", save("csv", [(s, 1.0) for s in steps] + [(3, 2.0)]))


def test_another_metric_than_the_loss_is_judged_from_ten_steps_on(imported, tmp_path):
    def source(n):
        rows = [f"{k},1,\n" for k in range(40)] + [f"{k},,1\n" for k in range(n)] + ["0,,5\n"]
        (tmp_path / "a.csv").write_text("step,loss,kappa\n" + "".join(rows))
        return tmp_path / "a.csv"

    assert imported("csv", source(10)).runs["a"].notes[0].startswith("10 of 11 rows of kappa are left out")
    with pytest.raises(LogError, match="of the steps of kappa, found 10 of 11"):
        imported("csv", source(11))


def test_rows_of_an_epoch_written_late_stay(imported, tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "train_loss,epoch,step\n2.2,0,0\n2.1,0,1\n1.5,0,11\n2.0,1,2\n1.9,1,3\n1.2,1,23\n1.8,2,4\n1.7,2,5\n1.1,2,35\n"
    )

    found = columns(imported("csv", tmp_path / "metrics.csv"), "metrics")

    assert found["step"] == [0, 1, 2, 3, 4, 5, 11, 23, 35]
    assert found["loss"] == [2.2, 2.1, 2.0, 1.9, 1.8, 1.7, 1.5, 1.2, 1.1]
    assert found["epoch"] == [0, 0, 1, 1, 2, 2, 0, 1, 2]


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 6])
def test_a_last_row_whose_step_is_torn_is_left_out_and_said(imported, tmp_path, cut):
    """The step, 5000, stands last: 500, 50, 5, nothing or no comma are left of it."""
    rows = "".join(f"{1 / (k + 1)},{k // 10},{100 * k}\n" for k in range(51))
    (tmp_path / "m.csv").write_text("loss,epoch,step\n" + rows[: -cut - 1])

    run = imported("csv", tmp_path / "m.csv").runs["m"]

    assert run.columns["step"].tolist() == [100 * k for k in range(50)]
    assert run.notes == (
        f"the last row of {tmp_path / 'm.csv'}, which has no end of line, is left out as torn: "
        "its step is not beyond the others",
    )


def test_a_last_row_without_end_that_goes_on_stays(imported, tmp_path):
    (tmp_path / "m.csv").write_text("loss,step\n1,0\n1,1\n1,2\n0.5,3")
    assert columns(imported("csv", tmp_path / "m.csv"), "m")["step"] == [0, 1, 2, 3]
    (tmp_path / "m.csv").write_text("loss,step\n1,3\n1,2\n1,1\n2,0")
    assert columns(imported("csv", tmp_path / "m.csv"), "m")["step"] == [0, 1, 2, 3]


def test_a_restart_counts_for_every_metric_of_the_run():
    """kappa at 7 is of the run that was given up, although kappa itself never repeats a step."""
    given = {"loss": series((0, 1), (5, 1), (7, 1), (5, 2), (7, 2)), "kappa": series((0, 1), (7, 1), (5, 3))}

    found = in_order(given)

    assert points_of(found["loss"]) == [(0, 1), (5, 2), (7, 2)]
    assert points_of(found["kappa"]) == [(0, 1), (5, 3)]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(2, 1), (0, 1), (1, 1)], [(0, 1), (1, 1), (2, 1)]),
        ([(3, 1), (1, 5), (1, 6), (0, 2)], [(0, 2), (1, 6), (3, 1)]),  # the next row: logged twice, no restart
        ([(0, np.nan), (2, 1), (0, np.nan)], [(0, np.nan), (2, 1)]),
        ([(0, 1), (1, 1), (0, 2)], [(0, 2)]),
        ([(0, 1), (1, 1), (0, np.nan)], [(0, np.nan)]),
        ([], []),
    ],
)
def test_which_rows_stay(rows, kept):
    np.testing.assert_equal(points_of(in_order({"a": series(*rows)})["a"]), kept)


def test_nothing_is_said_where_nothing_is_left_out():
    assert lost_rows("loss", np.array([2, 0]), np.array([0, 2])) is None


def test_what_is_left_out_is_told_before_and_after_writing(save, imported, tmp_path):
    plan = imported("csv", save("csv", [(0, 1.0), (1, 1.0), (2, 1.0), (1, 3.0)]))

    write_plan(plan, tmp_path / "out")

    sentence = "2 of 4 rows of loss are left out: a later row has the same step, or a restart goes back to before them"
    assert f"  {sentence}; 1 steps are lost by that" in plan.as_text().splitlines()
    assert plan.as_dict()["runs"][0]["notes"] == [f"{sentence}; 1 steps are lost by that"]
