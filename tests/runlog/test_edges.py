"""Truth: what a reader must answer in its outermost cases, by hand."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.raw.metadata import parse_metadata
from mstudy.runlog.raw.read_file import TooLargeError, read_bounded, read_file
from mstudy.runlog.raw.source import run_names
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.recording.journal import head_line, parse_journal, row_line
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


LONG = 60 * "x"


def test_of_what_is_no_metadata_forty_bytes_are_told():
    with pytest.raises(ValueError, match=f"^must be JSON, found b'{40 * 'x'}'$"):
        parse_metadata(LONG.encode())
    with pytest.raises(ValueError, match=f"^must be a JSON object, found b'\"{39 * 'x'}'$"):
        parse_metadata(f'"{LONG}"'.encode())


@pytest.mark.parametrize("number", [1, 4])
def test_of_a_line_that_is_no_row_forty_bytes_and_its_number_are_told(number):
    content = head_line({"run_id": "a"}) + 2 * row_line({"step": 0, "loss": 1.0}) if number > 1 else b""

    with pytest.raises(LogError, match=f"must be a JSON object, found b'{40 * 'x'}', in a.jsonl, line {number}.$"):
        parse_journal(content + LONG.encode() + b"\n", Path("a.jsonl"))


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"loss": 1.0}, r"Each row of a journal must have step, found \['loss'\]"),
        ({"step": 3, "loss": "x"}, "loss must be a finite number, found 'x'"),
        ({"step": -1, "loss": 1.0}, "step must be at least 0, found -1"),
        ({"step": 2**63, "loss": 1.0}, f"step must be at least 0, found {2**63}"),
    ],
)
def test_a_wrong_row_of_a_journal_is_told_with_its_line(row, reason):
    content = head_line({"run_id": "a"}) + row_line({"step": 0, "loss": 1.0}) + row_line(row)

    with pytest.raises(LogError, match=f"^{reason}, in a.jsonl, line 3.$"):
        parse_journal(content, Path("a.jsonl"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([{"run": LONG + LONG}], f"each row must have a path, found {{'run': '{71 * '.'}"),
        (LONG, f"it must be a list of objects, found b'\"{39 * '.'}'"),
    ],
)
def test_of_what_is_no_manifest_a_part_is_told(tmp_path, content, reason):
    (sound(tmp_path) / "manifest.json").write_text(json.dumps(content))

    (problem,) = [each for each in validate(tmp_path).problems if each.rule == "manifest-unreadable"]

    assert re.search(f"found: {reason}\\.$", problem.reason)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../" + 2 * LONG, f"path must stay in the runs folder, found '../{77 * 'x'}'."),
        (2 * LONG, f"a file that the manifest names must be there, found none at '{80 * 'x'}'."),
    ],
)
def test_a_wrong_path_of_a_manifest_is_told_by_80_letters_and_its_row(tmp_path, path, reason):
    folder = sound(tmp_path)
    first = {"path": min(each.name for each in folder.glob("*.parquet"))}
    (folder / "manifest.json").write_text(json.dumps([first, {"path": path}]))

    found = {(problem.reason, problem.row) for problem in validate(tmp_path).problems}

    assert (reason, 1) in found


def test_of_many_columns_and_keys_two_hundred_letters_are_told(tmp_path):
    names = {f"column{k:02}": np.ones(3) for k in range(40)}
    write(sound(tmp_path) / "x.parquet", {"step": np.arange(3)} | names, {f"key{k:02}": 1 for k in range(60)})

    reasons = [problem.reason for problem in validate(tmp_path).problems if problem.path == "x.parquet"]

    columns = ", ".join(["step", *names])[:200]
    assert f"the column loss must exist, found {columns}." in reasons


def test_where_a_curvature_is_of_is_told_in_short(tmp_path):
    about = {"curvature_samples": 10**60, "n_train": 64, "curvature": 300 * "y"}
    write(sound(tmp_path) / "x.parquet", rows(), SGD | {"seed": 9} | about)

    with pytest.raises(LogError, match=f'found of 1{39 * "0"} samples, "{199 * "y"}\\. Mend'):
        read_runs(tmp_path)
