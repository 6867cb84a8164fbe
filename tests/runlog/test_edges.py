"""Truth: what a reader must answer in its outermost cases, by hand."""

import io

import pyarrow as pa
import pytest
from mstudy.runlog.raw.read_file import TooLargeError, read_bounded, read_file
from mstudy.runlog.raw.source import run_names
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.rules import file_content
from mstudy.runlog.validate import validate

from tests.runlog.folders import SGD, SGDM, pair, rows, sound, write


def test_as_many_bytes_are_read_as_were_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    assert read_file(str(path), 4, 10) == b"0123"
    assert read_file(str(path), None, 10) == b"0123456789"
    assert read_file(str(path), 4, 9) == b"0123"  # the size of the rest does not matter
    with pytest.raises(TooLargeError, match="^at most 9 bytes are read, found 10$"):
        read_file(str(path), None, 9)


def test_no_more_is_read_than_the_size_that_was_found():
    """A file may grow while it is read."""
    assert read_bounded(io.BytesIO(b"0123456789"), 6, None, 9) == b"012345"


def test_names_of_logs():
    names = ["a.parquet", "a.csv", "manifest.parquet", "manifest.json", ".parquet", "parquet"]

    assert run_names(names) == ["a.parquet", ".parquet"]


@pytest.mark.parametrize("error", [ValueError("odd"), OSError("odd"), pa.ArrowException("odd")])
def test_whatever_the_parquet_reader_raises_is_a_damaged_file(tmp_path, monkeypatch, error):
    write(sound(tmp_path) / "x.parquet", rows(), SGD | {"seed": 9})

    def damaged(*_, **__):
        raise error

    monkeypatch.setattr(file_content.pq, "ParquetFile", damaged)
    report = validate(tmp_path)

    found = [problem for problem in report.problems if problem.path == "x.parquet"]
    assert [problem.reason for problem in found] == ["not a whole Parquet file (odd)."]


@pytest.mark.parametrize(("sgd", "sgdm"), [("a", "b"), ("b", "a")])
def test_what_a_pair_states_is_compared_both_ways(tmp_path, sgd, sgdm):
    for seed in (8, 9):
        write(tmp_path / f"a{seed}.parquet", rows(), SGD | {"seed": seed, "data_order": sgd})
        write(tmp_path / f"b{seed}.parquet", rows(), SGDM | {"seed": seed, "data_order": sgdm})

    reasons = [problem.reason for problem in validate(tmp_path).problems]

    assert any(f"'data_order' must be the same in both runs of a pair, found \"{sgdm}\"" in each for each in reasons)


def test_a_warning_leaves_no_log_out(tmp_path):
    sound(tmp_path)
    pair(tmp_path, 11, note="n")
    n = len(list(tmp_path.glob("*.parquet")))

    assert len(read_runs(tmp_path).runs) == n
