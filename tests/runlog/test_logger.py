"""Truth: what was logged, by hand; a process that kills itself; the reader of the analysis."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.recording.journal import journal_of, parse_journal
from mstudy.runlog.recording.logger import RunLogger

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "a.parquet"


def metadata(path):
    return json.loads(pq.read_schema(path).metadata[b"mstudy"])


def rows(path):
    return pq.read_table(path).to_pylist()


def test_a_finished_log_is_one_parquet_file_that_the_analysis_reads(path):
    with RunLogger(path, **ABOUT, model="m", n_train=64) as log:
        log.log(0, 2.0, directional_curvature=np.float32(0.5), mine=7)
        log.log(np.int64(5), np.float64(1.0), directional_curvature=float("nan"), sharpness=None)

    assert [p.name for p in path.parent.iterdir()] == ["a.parquet"]
    assert metadata(path) == {
        **ABOUT,
        "schema": 1,
        "run_id": "a",
        "optimizer": "sgd",
        "model": "m",
        "n_train": 64,
        "status": "completed",
        "diverged_step": None,
    }
    assert rows(path) == [
        {"step": 0, "loss": 2.0, "directional_curvature": 0.5, "sharpness": None, "mine": 7.0},
        {"step": 5, "loss": 1.0, "directional_curvature": None, "sharpness": None, "mine": None},
    ]
    run = read_runs(path.parent).runs.row(0, named=True)
    assert (run["run_id"], run["optimizer"], run["n_points"], run["last_step"]) == ("a", "sgd", 2, 5)


def test_what_was_logged_survives_a_kill(path):
    code = (
        "import os, signal, sys\n"
        "from mstudy import RunLogger\n"
        "with RunLogger(sys.argv[1], learning_rate=0.1, momentum=0.0, batch_size=8, seed=0) as log:\n"
        "    for step in range(1000):\n"
        "        log.log(step, 1 / (step + 1))\n"
        "        if step == 700: os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    ended = subprocess.run([sys.executable, "-c", code, path]).returncode

    assert ended == -signal.SIGKILL
    assert not path.exists()
    journal = journal_of(path)
    columns = parse_journal(journal.read_bytes(), journal).columns
    assert columns["step"].tolist() == list(range(701))
    assert columns["loss"].tolist() == [1 / (step + 1) for step in range(701)]


def test_a_killed_run_goes_on_from_any_checkpoint(path):
    killed = RunLogger(path, **ABOUT)
    for step in range(5):
        killed.log(step, 10.0 + step)
    killed._journal.close()  # as the operating system does
    with journal_of(path).open("ab") as journal:
        journal.write(b'{"step": 5, "lo')  # torn by the kill

    with RunLogger(path, **ABOUT) as log:  # from the checkpoint of step 3
        log.log(3, 1.0)
        log.log(6, 2.0)

    assert [(r["step"], r["loss"]) for r in rows(path)] == [(0, 10.0), (1, 11.0), (2, 12.0), (3, 1.0), (6, 2.0)]


def test_an_exception_leaves_an_interrupted_run_that_can_go_on(path):
    with pytest.raises(KeyboardInterrupt), RunLogger(path, **ABOUT) as log:
        log.log(0, 2.0, mine=1.0)
        log.log(4, 1.0)
        raise KeyboardInterrupt
    assert metadata(path)["status"] == "interrupted"

    with RunLogger(path, **ABOUT) as log:
        log.log(4, 0.5)

    assert metadata(path)["status"] == "completed"
    assert rows(path) == [{"step": 0, "loss": 2.0, "mine": 1.0}, {"step": 4, "loss": 0.5, "mine": None}]


def test_an_exception_before_the_first_row_leaves_nothing_and_is_seen(path):
    with pytest.raises(ZeroDivisionError), RunLogger(path, **ABOUT):
        _ = 1 / 0

    assert list(path.parent.iterdir()) == []


def test_a_loss_that_is_not_finite_ends_the_log(path):
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 2.0)
        assert not log.diverged
        log.log(1, float("inf"))
        log.log(2, 1.0)
        assert log.diverged

    assert (metadata(path)["status"], metadata(path)["diverged_step"]) == ("diverged", 1)
    assert [row["step"] for row in rows(path)] == [0]
    assert read_runs(path.parent).runs["status"].to_list() == ["diverged"]


def test_divergence_by_ones_own_rule_outlives_an_exception(path):
    with pytest.raises(ZeroDivisionError), RunLogger(path, **ABOUT) as log:
        log.log(0, 2.0)
        log.mark_diverged(1)
        _ = 1 / 0

    assert (metadata(path)["status"], metadata(path)["diverged_step"]) == ("diverged", 1)


def test_without_a_context_finish_takes_the_status_once(path):
    log = RunLogger(path, **ABOUT)
    log.log(3, 2.0)
    log.finish("diverged")
    log.finish("completed")

    assert (metadata(path)["status"], metadata(path)["diverged_step"]) == ("diverged", 4)


def test_nothing_is_logged_after_the_end(path):
    log = RunLogger(path, **ABOUT)
    log.log(3, 2.0)
    log.finish()

    with pytest.raises(LogError, match="A run's log must be open and writable, found at .*closed"):
        log.log(4, 1.0)


@pytest.mark.parametrize(
    ("given", "optimizer", "momentum"),
    [
        ({"momentum": 0.9}, "heavy_ball", 0.9),
        ({"optimizer": "sgd"}, "sgd", 0.0),
        ({"optimizer": "nesterov", "momentum": np.float32(0.5)}, "nesterov", 0.5),
    ],
)
def test_momentum_and_optimizer_complete_each_other(path, given, optimizer, momentum):
    with RunLogger(path, learning_rate=0.1, batch_size=8, seed=0, **given) as log:
        log.log(0, 1.0)

    assert (metadata(path)["optimizer"], metadata(path)["momentum"]) == (optimizer, momentum)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"momentum": None}, "must give momentum unless optimizer is sgd, found neither, for a"),
        ({"momentum": 1.0}, "momentum must be at least 0 and at most 1 - 1e-9, found 1.0"),
        ({"momentum": "high"}, "momentum must be at least 0 and .*, found 'high'"),
        ({"optimizer": "adam"}, "optimizer must be one of sgd, heavy_ball, nesterov.*, found 'adam'"),
        ({"optimizer": "heavy_ball"}, "momentum must be 0 for sgd and above 0 otherwise, found 0.0 with 'heavy_ball'"),
        ({"learning_rate": 0}, "learning_rate must be a finite number above 1e-300, found 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be text, a finite number, true or false, found nan"),
        ({"batch_size": 0}, "batch_size must be a whole number above 0, found 0"),
        ({"seed": 0.5}, "seed must be a whole number, found 0.5"),
        ({"model": ["mlp"]}, "model must be text, a finite number, true or false, found"),
        ({"model": {"kind": "mlp"}}, "model must be text of at most 1000 characters, found"),
        (
            {"branch_of": "a", "intervention": {"kind": "clip", "step": float("nan")}},
            "intervention.step must be text, a finite number, true or false, found nan",
        ),
        ({"branch_of": "a", "intervention": {"kind": "clip"}}, "a branch must give branch_of and intervention"),
    ],
)
def test_what_the_analysis_could_not_use_is_refused_before_training(path, change, message):
    with pytest.raises(LogError, match=message):
        RunLogger(path, **ABOUT | change)

    assert not path.parent.exists()


def test_a_branch_is_logged_and_goes_on_as_one(path):
    about = ABOUT | {"branch_of": "b", "intervention": {"kind": "clip", "step": np.int64(3), "at": 0.5}}
    for first in (0, 2):
        log = RunLogger(path, **about)
        for step in range(first, first + 3):
            log.log(step, 1.0)
        log.finish("interrupted" if first == 0 else "completed")

    assert metadata(path)["branch_of"] == "b"
    assert metadata(path)["intervention"] == {"kind": "clip", "step": 3, "at": 0.5}


@pytest.mark.parametrize(("steps", "message"), [([3, 3], "3 after 3, in"), ([3, 1], "1 after 3"), ([-1], "-1")])
def test_steps_must_increase(path, steps, message):
    log = RunLogger(path, **ABOUT)

    with pytest.raises(LogError, match=f"step must be at least 0 and increase from row to row, found {message}"):
        for step in steps:
            log.log(step, 1.0)
    log._journal.close()


def test_an_empty_log_is_refused(path):
    with pytest.raises(LogError, match="at least one row, found none logged"), RunLogger(path, **ABOUT):
        pass


def test_a_finished_run_is_not_overwritten_unless_told(path):
    for _ in range(2):
        with RunLogger(path, **ABOUT, overwrite=True) as log:
            log.log(0, 1.0)

    with pytest.raises(LogError, match="must not lie at .* found a run of status 'completed'"):
        RunLogger(path, **ABOUT)


def test_a_run_goes_on_with_its_own_configuration_alone(path):
    with pytest.raises(ZeroDivisionError), RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0)
        _ = 1 / 0

    with pytest.raises(LogError, match="must go on as it began: seed is 1, found 0 in"):
        RunLogger(path, **ABOUT | {"seed": 1})


def test_what_is_no_log_is_not_gone_on_with(path):
    path.parent.mkdir()
    path.write_bytes(b"PAR1")

    with pytest.raises(LogError, match="must be a run's log to be gone on with, found none"):
        RunLogger(path, **ABOUT)


def test_two_loops_cannot_log_one_run(path):
    pytest.importorskip("fcntl")
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0)
        with pytest.raises(LogError, match="One process alone may log a run"):
            RunLogger(path, **ABOUT)


def test_faults_of_the_disk_and_of_names_are_sentences(tmp_path, path):
    (tmp_path / "file").touch()
    with pytest.raises(LogError, match="must be writable, found at .*a.parquet"):
        RunLogger(tmp_path / "file" / "a.parquet", **ABOUT, overwrite=True)
    with pytest.raises(LogError, match="must end in .parquet, found 'a.log'"):
        RunLogger(tmp_path / "a.log", **ABOUT)
    log = RunLogger(path, **ABOUT)
    with pytest.raises(LogError, match="status must be one of completed, diverged, interrupted, found 'done'"):
        log.finish("done")
    log._journal.close()
    journal_of(tmp_path / "b.parquet").mkdir()
    with pytest.raises(LogError, match="journal must be readable"):
        RunLogger(tmp_path / "b.parquet", **ABOUT)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_a_sentence(path):
    path.parent.mkdir()
    journal_of(path).symlink_to("/dev/full")

    with pytest.raises(LogError, match="must be open and writable, found at .*No space left"):
        RunLogger(path, **ABOUT, overwrite=True)


def test_the_logger_needs_neither_torch_nor_polars():
    code = "import sys; from mstudy import RunLogger; print([m for m in ('torch', 'polars') if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
