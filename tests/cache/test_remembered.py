"""Truth: the same analysis without a cache."""

import json

import polars as pl
import pytest
from mstudy import cache as cache_module
from mstudy.analyze import analyze
from mstudy.compare import stage as compare_stage
from mstudy.core.params import Analysis, Compare, Detect
from mstudy.detect import stage as detect_stage
from mstudy.estimate import stage as estimate_stage
from mstudy.report import stage as report_stage

from tests.cache.test_cache import forge, save_pairs

ALL = ["detect", "compare", "estimate", "report"]
ANALYSIS = Analysis(detect=Detect(resamples=19), compare=Compare(resamples=100))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remembered") / "runs"
    save_pairs(folder, range(3))
    save_pairs(folder, range(3), eta_ef=0.2)
    return folder


@pytest.fixture
def called(monkeypatch):
    """The stages that were called."""
    calls = []

    def watch(module, name):
        true = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given: (calls.append(name), true(*given))[1])

    for module, name in zip((detect_stage, compare_stage, estimate_stage, report_stage), ALL, strict=True):
        watch(module, name)
    return calls


def written(out):
    """Every file but those of the cache."""
    files = (path for path in out.rglob("*") if path.is_file())
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
    return {name: content for name, content in found.items() if not name.startswith("cache/")}


def test_without_news_no_stage_runs_and_the_same_bytes_are_written(runs, tmp_path, called):
    analyze(runs, tmp_path / "a", ANALYSIS)
    before = written(tmp_path / "a")
    called.clear()

    result = analyze(runs, tmp_path / "a", ANALYSIS)

    assert called == []
    assert written(tmp_path / "a") == before and "index.html" in before
    assert result.claims["C1"].statement

    for path in (tmp_path / "a" / "results").iterdir():
        path.write_bytes(b"lost")
    analyze(runs, tmp_path / "a", ANALYSIS)
    assert called == [] and written(tmp_path / "a") == before


def test_what_changed_is_computed_anew_and_what_depends_on_it(runs, tmp_path, called, monkeypatch):
    analyze(runs, tmp_path / "a", ANALYSIS)
    called.clear()

    other = Analysis(detect=Detect(resamples=39), compare=ANALYSIS.compare)
    analyze(runs, tmp_path / "a", other)
    analyze(runs, tmp_path / "b", other)
    assert called == ALL * 2 and written(tmp_path / "a") == written(tmp_path / "b")

    called.clear()
    monkeypatch.setattr(cache_module, "_version", lambda stage: "other code" if stage == "estimate" else "the same")
    analyze(runs, tmp_path / "a", other)
    called.clear()
    monkeypatch.setattr(cache_module, "_version", lambda stage: "newer code" if stage == "estimate" else "the same")
    analyze(runs, tmp_path / "a", other)
    assert called == ["estimate"]  # which writes the same tables, so that the page is the same


def test_a_forged_memory_is_not_believed(runs, tmp_path, called):
    analyze(runs, tmp_path / "a", ANALYSIS)
    before = written(tmp_path / "a")
    for stage in ("detect", "compare", "estimate", "report"):
        group = tmp_path / "a" / "cache" / f"stage-{stage}"
        index = json.loads((group / "index.json").read_text())
        path = group / f"{index['tables']['files']}.parquet"
        pl.read_parquet(path).with_columns(pl.lit(b"forged").alias("content")).write_parquet(path)
        forge(group)
    called.clear()

    analyze(runs, tmp_path / "a", ANALYSIS)

    assert called == ALL and written(tmp_path / "a") == before
