"""Nothing vanishes uncounted. Truth: by hand."""

import json

import numpy as np
import polars as pl
import pytest
from mstudy.importers.given_losses import until_diverged

from tests.importers.conftest import columns
from tests.importers.test_assemble import series

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("losses", "kept", "diverged"),
    [
        ([1, NAN, 2, 3], [0, 2, 3], None),
        ([NAN, 1, 2], [1, 2], None),
        ([1, 2, NAN], [0, 1], 2),
        ([1, 2, NAN, NAN], [0, 1], 2),
        ([1, NAN, 2, NAN, 3, NAN], [0, 2, 4], None),
        ([1, NAN, 2, NAN, 3, NAN, NAN], [0, 2, 4], 5),
        ([1, 2, 3, 4, 5, NAN, 6, NAN], [0, 1, 2, 3, 4, 6], 7),
        ([1, INF, 2], [0], 1),
        ([1, NAN, INF], [0], 1),
    ],
)
def test_which_nan_says_that_a_run_diverged(losses, kept, diverged):
    """One before a finite value does not; at the end it does, unless NaN so often stands for what was not logged."""
    found, step, notes = until_diverged("loss", series(*enumerate(losses)))

    assert (found.steps.tolist(), step) == (kept, diverged)
    assert sum(int(note.split()[0]) for note in notes) == len(losses) - len(kept)


def test_nan_for_what_was_not_logged(imported, tmp_path):
    losses = [2.0 / (k + 1) if k % 5 == 0 else NAN for k in range(40)]
    pl.DataFrame({"_step": range(40), "train/loss": losses}).write_parquet(tmp_path / "a.parquet")

    run = imported("wandb", tmp_path / "a.parquet").runs["a"]

    assert (len(run.columns["step"]), run.metadata["status"]) == (8, "completed")
    assert run.metadata["rows_left_out"] == 32
    assert run.metadata["left_out"] == "32 rows whose train/loss is NaN are left out as not logged"


def test_a_row_of_validation_is_no_divergence(imported, tmp_path):
    """Its loss is NaN, and it holds what no row with a loss holds; the epoch stands in every row."""
    (tmp_path / "a.csv").write_text("step,epoch,loss,val_loss\n0,0,2,nan\n1,0,1,nan\n2,0,nan,1.5\n")
    assert columns(imported("csv", tmp_path / "a.csv"), "a")["step"] == [0, 1]
    assert imported("csv", tmp_path / "a.csv").runs["a"].metadata["status"] == "completed"
    (tmp_path / "a.csv").write_text("step,epoch,loss,acc\n0,0,2,0.1\n1,0,1,0.2\n2,0,nan,0.1\n")
    assert imported("csv", tmp_path / "a.csv").runs["a"].metadata["status"] == "diverged"


@pytest.mark.parametrize(
    ("text", "n_kept"),
    [
        ("step,loss\n0,1.12345\n1,0.52345\n2,0.32", 2),
        ("step,loss\n0,1.12345\n1,0.52345\n2,0.32345", 3),
        ("step,loss\n0,10\n1,10\n2,1", 2),
        ("step,loss\n0,1.12345\n1,0.52345\n2,", 2),
        ("step,loss\n0,1.12345\n1,0.52345\n2,1.1e-", 2),
        ("step,loss\n0,1.12345e-05\n1,1.12345e-05\n2,1.12345e-0", 2),
        ("step,loss,acc\n0,1.12345,0.12345\n1,0.52345,0.12345\n2,0.32345", 2),
        ("loss,step\n1.5,0\n1.25,10\n1.125,20", 3),
        ("loss,step\n1.5,0\n1.25,10\n1.125,200", 2),
        ("step,loss,note\n0,1.1,a\n1,1.2,b\n2,1.3,c", 3),
        ('step,loss\n0,"1.1"\n1,"1.2"\n2,"1.3"', 3),
    ],
)
def test_a_last_line_in_which_a_number_could_go_on_is_left_out(imported, tmp_path, text, n_kept):
    (tmp_path / "a.csv").write_text(text)

    run = imported("csv", tmp_path / "a.csv").runs["a"]

    assert len(run.columns["step"]) == n_kept
    assert len([note for note in run.notes if "left out as torn: its" in note]) == 3 - n_kept
    assert run.metadata.get("rows_left_out", 0) == 3 - n_kept


def test_a_torn_json_line_is_counted(imported, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"step": 0, "loss": 1}\n{"step": 1, "loss": 1}\n{"step": 2, "lo')

    run = imported("csv", tmp_path / "a.jsonl").runs["a"]

    assert run.notes == (f"the last line of {tmp_path / 'a.jsonl'}, which is torn, is left out",)
    assert run.metadata["rows_left_out"] == 1


def test_rows_after_a_divergence_and_of_a_restart_are_counted(imported, tmp_path):
    (tmp_path / "a.csv").write_text("step,loss\n0,2\n1,1\n2,1\n1,3\n2,inf\n3,1\n")

    run = imported("csv", tmp_path / "a.csv").runs["a"]

    assert run.metadata["rows_left_out"] == 4
    assert run.notes[0].startswith("2 of 6 rows of loss are left out: a later row has the same step, or a restart")
    assert "2 rows from step 2 on, where loss is not finite, are left out" in run.notes
    assert json.loads(json.dumps(run.metadata))["left_out"].count(";") >= 1


def test_a_log_of_one_row_is_a_warning(imported, tmp_path):
    (tmp_path / "a.csv").write_text("step,loss\n0,1\n")

    assert imported("csv", tmp_path / "a.csv").runs["a"].notes == ("warning: the log has one row",)


def test_deleted_runs_of_mlflow_are_left_out(imported, tmp_path):
    for name, place, stage in (("a", "0", "active"), ("b", "0", "deleted"), ("c", ".trash", "active"), ("d", "1", "")):
        run = tmp_path / place / name
        (run / "metrics").mkdir(parents=True)
        (run / "meta.yaml").write_text(f"status: 3\nlifecycle_stage: {stage}\n")
        (run / "metrics" / "loss").write_text("1 1.0 0\n2 0.5 1\n")
    (tmp_path / "1" / "meta.yaml").write_text("lifecycle_stage: deleted\n")

    plan = imported("mlflow", tmp_path)

    assert list(plan.runs) == ["0/a"]
    assert plan.notes == ("left out: 3 runs deleted in MLflow, the first .trash/c",)
    np.testing.assert_equal(plan.runs["0/a"].columns["loss"], [1.0, 0.5])
