"""Results that do not belong together are refused, and an analysis leaves whole results or the old ones."""

import fcntl
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mstudy.analyze import analyze
from mstudy.compare import stage as compare_stage
from mstudy.core.errors import LogError
from mstudy.core.params import Analysis, Compare, Detect, Margins
from mstudy.detect.stage import detect
from mstudy.report.results import read_results
from mstudy.runlog.format.writer import write_run
from mstudy.runlog.reading.reader import read_runs
from mstudy.tables.contracts import TABLES

from tests.conftest import about

OWN = ("claims.json", "problems.json", "metrics.json", *(f"results/{table.name}.parquet" for table in TABLES))
STAMPS = tuple(f"stamps/{stage}.json" for stage in ("detect", "compare", "estimate"))


def save_study(folder, scale=1.0, seeds=2):
    """Write logs of the same names, whatever their losses."""
    folder.mkdir(exist_ok=True)
    for seed in range(seeds):
        for rate, mu, optimizer in ((0.1, 0.0, "sgd"), (0.01, 0.9, "heavy_ball")):
            loss = scale * np.exp(-0.01 * np.arange(20) - 0.1 * mu - 0.001 * seed)
            run = about(learning_rate=rate, momentum=mu, optimizer=optimizer, seed=seed)
            columns = {"step": np.arange(20), "loss": loss, "directional_curvature": np.ones(20)}
            write_run(folder / f"{run['run_id']}.parquet", columns, run)
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    analyze(save_study(folder / "runs"), folder / "out")
    return folder


@pytest.fixture
def runs(template, tmp_path):
    return shutil.copytree(template / "runs", tmp_path / "runs")


@pytest.fixture
def finished(template, tmp_path):
    return shutil.copytree(template / "out", tmp_path / "out")


def content_of(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def is_one_sentence(code, err, *parts):
    return code == 1 and err.count("\n") == 1 and all(part in err for part in parts)


@pytest.fixture
def refuses(mstudy, runs, finished):
    """Whether both commands that read results refuse them in one sentence, and the page stays."""

    def check(*parts):
        page = (finished / "index.html").read_bytes()
        report = mstudy("report", runs, "--out", finished)
        plan = mstudy("plan", "--claim", "C1", "--results", finished)
        assert is_one_sentence(report[0], report[2], *parts), report
        assert is_one_sentence(plan[0], plan[2], *parts), plan
        assert (finished / "index.html").read_bytes() == page

    return check


@pytest.mark.parametrize(
    "content", [b"", b"\x00garbage", b"{}", b"[]", b"null", b'{"a": 1}', b"[[[" * 5000, b"PAR1PAR1"]
)
@pytest.mark.parametrize("name", ["claims.json", "problems.json", "metrics.json", "results/power.parquet", *STAMPS])
def test_a_damaged_result_is_named(finished, refuses, name, content):
    (finished / name).write_bytes(content)

    refuses(str(finished / name), "run `dvc repro` or `mstudy analyze` again")


@pytest.mark.parametrize("name", ["claims.json", "results/runs.parquet", *STAMPS])
def test_a_missing_result_is_named(finished, refuses, name):
    (finished / name).unlink()

    refuses(str(finished / name), "run `dvc repro` or `mstudy analyze` first")


@pytest.mark.parametrize("stage", ["detect", "compare", "estimate"])
@pytest.mark.parametrize(
    "change", [{"written": {}}, {"read": {"results/runs.parquet": "0"}}, {"written": 3}, {"params": []}, {"stage": "x"}]
)
def test_a_stamp_of_other_values_is_refused(mstudy, runs, finished, stage, change):
    path = finished / "stamps" / f"{stage}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))

    code, _, err = mstudy("report", runs, "--out", finished)

    assert is_one_sentence(code, err, "run `dvc repro` or `mstudy analyze` again")


@pytest.mark.parametrize("name", OWN)
def test_a_table_of_another_analysis_is_refused(runs, finished, refuses, tmp_path, name):
    save_study(runs, scale=2.0, seeds=3)
    analyze(runs, tmp_path / "other", Analysis(Detect(jump_factor=1.5)))
    if (tmp_path / "other" / name).read_bytes() == (finished / name).read_bytes():
        return  # a table in which the two do not differ
    shutil.copy(tmp_path / "other" / name, finished / name)

    refuses(str(finished / name), "another content")


def test_an_altered_number_is_refused(finished, refuses):
    path = finished / "results" / "advantage.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(pl.col(pl.Float64) * 2).write_parquet(path)

    refuses(str(path), "another content")


def test_stages_of_different_runs_are_refused(runs, finished, refuses, tmp_path):
    save_study(runs, scale=2.0)
    compare_stage.compare(read_runs(runs), finished, Margins(), Compare())

    refuses("must be of the same runs")


def test_tables_that_a_later_stage_did_not_read_are_refused(runs, finished, refuses):
    detect(read_runs(runs), finished, Detect(min_points=16))

    refuses("The stage estimate must have read the tables")


def test_the_page_is_of_the_runs_that_were_analysed(mstudy, runs, finished, tmp_path):
    shutil.copytree(runs, tmp_path / "elsewhere")
    assert mstudy("report", tmp_path / "elsewhere", "--out", finished)[0] == 0

    save_study(runs, scale=2.0)  # other logs of the same names
    for form in ("html", "svg"):
        code, _, err = mstudy("report", runs, "--out", finished, "--format", form)
        assert is_one_sentence(code, err, "RUNS must hold the runs that the results in", str(runs))
    assert not (finished / "pictures").exists()
    (tmp_path / "elsewhere" / "8-0.1-0.0-0.parquet").unlink()
    assert is_one_sentence(*mstudy("report", tmp_path / "elsewhere", "--out", finished)[::2], "RUNS must hold the runs")


def test_the_page_names_the_parameters_that_were_used(mstudy, runs, finished, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("detect: {jump_factor: 2.0}\nreport: {title: Mine}\n")
    code, _, err = mstudy("report", runs, "--out", finished, "--params", params)
    assert is_one_sentence(code, err, "found detect.jump_factor = 2.0, which was 3.0 then; give the same --params")

    params.write_text("report: {title: Mine}\n")
    assert mstudy("report", runs, "--out", finished, "--params", params)[0] == 0
    assert "<title>Mine</title>" in (finished / "index.html").read_text()


def test_results_of_another_version_are_refused(mstudy, runs, finished, monkeypatch):
    monkeypatch.setattr(
        "mstudy.tables.stamp.code_digest", lambda stage: f"other {stage}"[: 5 + 8 * (stage != "detect")]
    )

    code, _, err = mstudy("report", runs, "--out", finished)

    assert is_one_sentence(code, err, "must be of this version of mstudy", "detect, compare, estimate")


def test_the_page_bears_the_stamp_of_its_results(runs, finished):
    stamp = read_results(finished).stamp

    assert f'<meta name="mstudy-stamp" content="{stamp}">' in (finished / "index.html").read_text()


@pytest.mark.parametrize("stage", ["detect", "compare", "estimate", "report"])
def test_an_analysis_that_fails_between_its_stages_leaves_the_old_results(runs, finished, monkeypatch, stage):
    before = content_of(finished)
    save_study(runs, scale=2.0)

    def fail(*_):
        raise LogError("no")

    monkeypatch.setattr(importlib.import_module(f"mstudy.{stage}.stage"), stage, fail)
    with pytest.raises(LogError, match="no"):
        analyze(runs, finished)

    after = content_of(finished)
    assert {name: c for name, c in after.items() if "cache" not in name} == {
        name: c for name, c in before.items() if "cache" not in name
    }


def test_what_a_killed_analysis_left_is_removed_and_foreign_files_stay(runs, finished, tmp_path):
    (finished / ".unfinished-abc" / "results").mkdir(parents=True)
    (finished / ".unfinished-abc" / "results" / "runs.parquet").write_bytes(b"torn")
    (finished / "mine.txt").write_text("mine")
    (finished / ".unfinished-link").symlink_to(runs)

    analyze(runs, finished)

    assert not (finished / ".unfinished-abc").exists() and (finished / "mine.txt").read_text() == "mine"
    assert len(list(runs.iterdir())) == 4


def test_a_second_analysis_of_one_folder_waits_for_nothing_and_writes_nothing(mstudy, runs, finished):
    before = content_of(finished)
    descriptor = os.open(finished, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for command in ("analyze", "report"):
        code, _, err = mstudy(command, runs, "--out", finished)
        assert is_one_sentence(code, err, "One analysis at a time may write", str(finished))
    os.close(descriptor)

    assert content_of(finished) == before
    assert mstudy("analyze", runs, "--out", finished)[0] == 0


def test_the_lock_of_a_killed_process_is_no_obstacle(mstudy, runs, finished):
    hold = (
        f"import sys; sys.path.insert(0, {str(Path(sys.path[0]))!r}); from mstudy.output_folder import locked\n"
        f"from pathlib import Path; import os, signal\n"
        f"with locked(Path({str(finished)!r})): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", hold]).returncode == -9

    assert mstudy("analyze", runs, "--out", finished)[0] == 0


def test_without_locks_of_the_file_system_the_analysis_goes_on(runs, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("mstudy.output_folder.fcntl.flock", refuse)
    analyze(runs, tmp_path / "out")

    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize(
    ("runs_at", "out_at"),
    [("a", "a"), ("a", "a/out"), ("a/b", "a"), ("link", "a"), ("a", "link/out"), ("a", "b/../a/c"), ("a/../a", "a")],
)
@pytest.mark.parametrize("command", ["analyze", "report"])
def test_folders_inside_each_other_are_refused_before_anything_is_written(mstudy, tmp_path, runs_at, out_at, command):
    save_study(tmp_path / "a")
    (tmp_path / "a" / "b").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    before = content_of(tmp_path)

    code, _, err = mstudy(command, tmp_path / runs_at, "--out", f"{tmp_path}/{out_at}")

    assert is_one_sentence(code, err, "OUT and RUNS must be folders apart", "choose another OUT")
    assert content_of(tmp_path) == before


def test_pictures_are_not_written_into_the_runs(mstudy, runs, finished):
    code, _, err = mstudy("report", runs, "--out", finished, "--format", "svg", "--to", runs / "pictures")

    assert is_one_sentence(code, err, "OUT and RUNS must be folders apart")


def test_an_output_folder_that_is_a_file_is_named(mstudy, runs, tmp_path):
    (tmp_path / "file").write_text("mine")

    code, _, err = mstudy("analyze", runs, "--out", tmp_path / "file")

    assert is_one_sentence(code, err, "The output folder must be writable", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_an_import_does_not_write_into_what_it_reads(mstudy, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.csv").write_text("step,loss\n0,1\n")

    for out in ("logs", "logs/runs", "."):
        code, _, err = mstudy("import", "csv", tmp_path / "logs", "--out", tmp_path / out)
        assert is_one_sentence(code, err, "OUT and SRC must be folders apart")
    assert [path.name for path in tmp_path.rglob("*")] == ["logs", "a.csv"]
