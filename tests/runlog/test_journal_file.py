"""Truth: what was logged, by hand; a limit of the operating system on the size of a file stands for a full disk."""

import contextlib
import json
import os
import resource
import shutil

import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.recording.journal import journal_of, parse_journal
from mstudy.runlog.recording.logger import RunLogger

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "a.parquet"


@contextlib.contextmanager
def space(n_bytes):
    """No file may grow beyond `n_bytes`; the system then writes what fits, and refuses the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Unreadable:
    """A file on a disk that fails."""

    closed = False

    def seek(self, place):
        raise OSError("Input/output error")


def steps(path):
    return pq.read_table(path)["step"].to_pylist()


@pytest.mark.parametrize("room", [0, 1, 15, 24])
def test_a_row_that_the_disk_refused_costs_no_other(path, room):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    with space(journal_of(path).stat().st_size + room), pytest.raises(LogError, match="A run's log must be"):
        log.log(1, 0.5)
    log.log(2, 0.25)
    log.finish()

    assert steps(path) == [0, 2]


def test_a_run_goes_on_after_a_row_that_was_refused(path):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    with space(journal_of(path).stat().st_size + 15), pytest.raises(LogError):
        log.log(1, 0.5)
    log._journal.close()  # as the end of the process does

    again = RunLogger(path, **ABOUT)
    again.log(1, 0.5)
    again.finish()

    assert steps(path) == [0, 1]


def test_half_a_row_that_could_not_be_cut_off_is_cut_off_before_the_next(path, monkeypatch):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    monkeypatch.setattr(log._journal, "_cut_quietly", lambda: None)
    with space(journal_of(path).stat().st_size + 15), pytest.raises(LogError):
        log.log(1, 0.5)
    log.log(2, 0.25)

    assert parse_journal(journal_of(path).read_bytes(), path).columns["step"].tolist() == [0, 2]
    log.finish()


def test_finish_can_be_called_again_when_there_is_space(path):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    with space(100), pytest.raises(LogError, match="A run's log must be writable, found at .*a.parquet"):
        log.finish()
    assert not path.exists()
    assert json.loads(journal_of(path).read_text().splitlines()[-1]) == {"step": 0, "loss": 1.0}

    log.log(1, 0.5)
    log.finish()

    assert steps(path) == [0, 1]
    assert not journal_of(path).exists()


def test_the_current_folder_may_change(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with RunLogger("run.parquet", **ABOUT) as log:
        monkeypatch.chdir(tmp_path / "b")
        log.log(0, 1.0)

    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")] == ["a/run.parquet"]


@pytest.mark.skipif(os.name != "posix", reason="an open file can be removed only there")
def test_a_folder_that_was_removed_comes_back_with_the_log(path):
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0)
        shutil.rmtree(path.parent)
        log.log(1, 0.5)

    assert steps(path) == [0, 1]


def test_a_file_that_no_analysis_would_read_is_refused(tmp_path):
    with pytest.raises(LogError, match=r"must not begin with a dot, .* found '\.a\.parquet'"):
        RunLogger(tmp_path / ".a.parquet", **ABOUT)


@pytest.mark.parametrize("step", [2**53, 2**63, 2**70])
def test_a_step_that_no_analysis_would_read_is_refused(path, step):
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0)
        with pytest.raises(LogError, match=f"step must be at most 9007199254740991, found {step}"):
            log.log(step, 0.5)

    assert steps(path) == [0]


def test_a_journal_that_cannot_be_read_is_a_sentence(path, monkeypatch):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    monkeypatch.setattr(log._journal, "_file", Unreadable())

    with pytest.raises(LogError, match="A run's journal must be readable, found at .*a.journal.jsonl"):
        log.finish()
    monkeypatch.undo()
    log.finish()
