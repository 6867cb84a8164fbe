"""What a loop hands over, and a notebook's cell that is run again. Truth: what was logged, by hand."""

import gc
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from mstudy.core.errors import LogError
from mstudy.core.statuses import CurvatureBy
from mstudy.runlog.recording.journal import journal_of, parse_journal
from mstudy.runlog.recording.logger import RunLogger

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.parquet"


def metadata(path):
    return json.loads(pq.read_schema(path).metadata[b"mstudy"])


def test_steps_and_values_of_any_kind_of_number(path):
    steps = (0, 1.0, np.float32(2.0), np.int16(3), torch.tensor(4), torch.tensor(5.0), np.array(6.0), True + 6.0)
    with RunLogger(path, **ABOUT) as log:
        for k, step in enumerate(steps):
            log.log(step, torch.tensor(1.0 + k), mine=np.array([0.5]), text="0.25")

    table = pq.read_table(path)
    assert table["step"].to_pylist() == list(range(8))
    assert table["loss"].to_pylist() == [1.0 + k for k in range(8)]
    assert set(table["mine"].to_pylist()) == {0.5} and set(table["text"].to_pylist()) == {0.25}


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("step", [0.5, NAN, INF, "0", None, [0], torch.zeros(2), 1j, np.array([0.5])])
def test_a_step_that_is_no_whole_number_is_a_sentence(path, step):
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0)
        for call in (lambda: log.log(step, 1.0), lambda: log.mark_diverged(step)):
            with pytest.raises(LogError, match="step must be a whole number, found .*, in .*a.parquet"):
                call()
    assert metadata(path)["status"] == "completed"


@pytest.mark.parametrize("value", ["warm up", [0.5, 0.6], {"a": 1}, torch.zeros(2), 1j, object(), 10**400])
def test_a_value_that_is_no_number_is_a_sentence(path, value):
    with RunLogger(path, **ABOUT) as log:
        with pytest.raises(LogError, match="phase must be one number, or None .* text is for RunLogger"):
            log.log(0, 1.0, phase=value)
        with pytest.raises(LogError, match="loss must be one number"):
            log.log(0, value)
        log.log(0, 1.0)  # the row was not written in part
    assert pq.read_table(path).column_names == ["step", "loss"]


def test_how_a_curvature_was_found_is_said_of_the_run(path):
    with RunLogger(path, **ABOUT) as log:
        log.log(0, 1.0, curvature_by=CurvatureBy.DIFFERENCES)

    assert metadata(path)["curvature_by"] == "differences"
    assert pq.read_table(path).column_names == ["step", "loss"]


def test_a_cell_that_is_run_again(path):
    log = RunLogger(path, **ABOUT)  # the cell ended by an exception, and the name stays
    log.log(0, 1.0)

    with pytest.raises(LogError, match="another object of this same process .* finish.* overwrite=True"):
        RunLogger(path, **ABOUT)
    again = RunLogger(path, **ABOUT, overwrite=True)
    again.log(0, 2.0)
    with pytest.raises(LogError, match="must be open and writable, found at .*: it is closed"):
        log.log(1, 1.0)
    log.finish()
    again.log(1, 3.0)
    again.finish()

    assert pq.read_table(path)["loss"].to_pylist() == [2.0, 3.0]


def test_a_cell_that_is_run_again_by_another_name_of_the_place(path, tmp_path):
    os.symlink(tmp_path, tmp_path / "link")
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)

    with pytest.raises(LogError, match="another object of this same process"):
        RunLogger(tmp_path / "link" / "a.parquet", **ABOUT)
    again = RunLogger(tmp_path / "link" / "a.parquet", **ABOUT, overwrite=True)
    again.log(0, 3.0)
    again.finish()
    assert pq.read_table(path)["loss"].to_pylist() == [3.0]


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_an_object_that_is_gone_or_finished_stands_in_no_way(path):
    log = RunLogger(path, **ABOUT)
    log.log(0, 1.0)
    del log
    gc.collect()
    log = RunLogger(path, **ABOUT)
    log.log(1, 2.0)
    log.finish()

    assert pq.read_table(path)["loss"].to_pylist() == [1.0, 2.0]
    RunLogger(path, **ABOUT, overwrite=True)


class Knows:
    def __init__(self):
        self.about, self.n_told = {}, 0

    def tell(self):
        self.n_told += 1


def test_a_source_has_its_say_in_the_metadata_and_in_the_journal_of_a_run_that_is_killed(path):
    source = Knows()
    log = RunLogger(path, **ABOUT)
    log.attach(source)
    log.attach(source)
    log.log(0, 1.0)
    source.about = {"curvature_check": "passed", "n": 1}
    log.log(1, 1.0)
    length = len(journal_of(path).read_bytes().splitlines())
    source.about = {"curvature_check": "passed", "n": 2}
    log.log(2, 1.0)

    lines = journal_of(path).read_bytes()
    assert len(lines.splitlines()) == length + 1  # a count alone is no news
    assert parse_journal(lines, path).metadata["curvature_check"] == "passed"
    log.finish()
    assert metadata(path)["n"] == 2 and source.n_told == 1
    assert pq.read_table(path)["step"].to_pylist() == [0, 1, 2]
