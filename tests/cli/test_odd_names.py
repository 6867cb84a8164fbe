"""Names of files and folders are names, never patterns. Truth: what the same files give under a plain name."""

import pytest
from mstudy.tables.contracts import RUNS

from tests.runlog.folders import SGD, rows, sound, write

ODD = ["s[1]", "s*", "s?", "[!a]", "s{1,2}", "s\n2", "s\x1b[2J", "-s", "~s", "lr=0.1", "s%31"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["s[1]", "s*", "s?", "s\n\x1b[2J", "-s"])
def test_an_analysis_is_read_from_its_own_folder(mstudy, here, name):
    sound(here / "few")
    sound(here / "runs")
    for seed in (2, 3):
        write(here / "runs" / f"alone-{seed}.parquet", rows(), SGD | {"seed": seed})
    for other in ("s1", "s22"):
        assert mstudy("analyze", "few", "--out", other, "--workers", 1)[0] == 0

    assert mstudy("analyze", "runs", "--out", name, "--workers", 1)[0] == 0
    assert RUNS.read(here / name / "results").height == 6
    assert mstudy("report", "runs", "--out", name)[0] == 0


@pytest.mark.parametrize("name", ODD)
def test_a_table_is_read_from_its_own_folder(tmp_path, name):
    def one(run):
        return RUNS.frame([{name: None for name in RUNS.columns} | {"run_id": run}])

    for folder in ("s1", "s2", "s3", name):
        RUNS.write(one(folder), tmp_path / folder)

    assert RUNS.read(tmp_path / name)["run_id"].to_list() == [name]
