"""Truth: an analysis whose stages read the logs themselves."""

import pytest
from mstudy.analyze import analyze
from mstudy.detect.stage import detect
from mstudy.runlog.raw.source import Source
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers.ordered import Workers

from tests.cache.test_cache import save_pairs
from tests.cache.test_remembered import ANALYSIS, written
from tests.runlog.folders import SGD, rows, write


@pytest.fixture
def runs(tmp_path):
    """Logs of two layouts: one has a column that the others lack."""
    save_pairs(tmp_path / "runs", range(3))
    write(tmp_path / "runs" / "other.parquet", rows(grad_norm=[None, 1.0] * 10), SGD | {"batch_size": 4})
    return tmp_path / "runs"


def test_every_log_is_read_once_an_analysis(runs, tmp_path, monkeypatch):
    read = []
    true = Source.read
    monkeypatch.setattr(Source, "read", lambda source, name, *how: (read.append(name), true(source, name, *how))[1])

    analyze(runs, tmp_path / "out", ANALYSIS)

    assert sorted(read) == sorted(path.name for path in runs.iterdir())
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("workers", [1, 2])
def test_rows_that_were_kept_are_those_of_the_logs(runs, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("mstudy.runlog.reading.scan._MIN_FILES_FOR_WORKERS", 2)
    monkeypatch.setattr("mstudy.runlog.reading.scan._CHUNK", 3)
    (tmp_path / "rows").mkdir()
    with Workers(workers) as processes:
        kept = read_runs(runs, workers=processes, keep_in=str(tmp_path / "rows"))
    own = read_runs(runs)

    assert len(list((tmp_path / "rows").iterdir())) == 3
    assert kept.points.equals(own.points)
    chosen = ["other", "sgd-0.1-2"]
    assert kept.series(chosen, ["step", "grad_norm"]).equals(own.series(chosen, ["step", "grad_norm"]))
    detect(kept, tmp_path / "a", ANALYSIS.detect)
    detect(own, tmp_path / "b", ANALYSIS.detect)
    assert written(tmp_path / "a") == written(tmp_path / "b")


def test_the_result_reads_logs_after_the_rows_are_gone(runs, tmp_path):
    result = analyze(runs, tmp_path / "out", ANALYSIS)

    assert result.logs.points.equals(read_runs(runs).points)


def test_a_full_disk_is_one_sentence(runs, tmp_path):
    with pytest.raises(Exception, match="The output folder must be writable, found at .*nowhere"):
        read_runs(runs, keep_in=str(tmp_path / "nowhere"))
