"""Truth: the same analysis without a cache. Calls of the detectors are counted."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mstudy import cache as cache_module
from mstudy.cache import Cache
from mstudy.compare import stage as compare
from mstudy.core.files import content_digest
from mstudy.core.params import Compare, Detect, Margins
from mstudy.detect import stage as detect
from mstudy.runlog.reading.reader import read_runs
from mstudy.workers.ordered import Workers

from tests.runlog.folders import SGD, SGDM, write

PARAMS = Detect(resamples=19), Compare(resamples=100)


def save_pairs(folder: Path, seeds, eta_ef=0.1, jumps_at=60):
    """Pairs whose SGD run sharpens and stalls."""
    for seed in seeds:
        rng = np.random.default_rng([seed, round(1000 * eta_ef)])
        steps, late = np.arange(120), np.arange(120) >= jumps_at
        noise = np.exp(rng.normal(0, 0.05, 120))
        loss = np.exp(-0.01 * steps + rng.normal(0, 0.002, 120))
        curvature = noise * np.where(late, 20, 1)
        sgd = {"step": steps, "loss": loss * np.where(late, 1.5, 1), "directional_curvature": curvature}
        about = {"seed": seed, "learning_rate": eta_ef}
        write(folder / f"sgd-{eta_ef}-{seed}.parquet", sgd, SGD | about)
        sgdm = sgd | {"loss": loss, "directional_curvature": noise}
        write(folder / f"sgdm-{eta_ef}-{seed}.parquet", sgdm, SGDM | about | {"learning_rate": eta_ef / 2})


@pytest.fixture
def runs(tmp_path):
    save_pairs(tmp_path / "runs", range(3))
    save_pairs(tmp_path / "runs", range(3), eta_ef=0.2)
    return tmp_path / "runs"


@pytest.fixture
def counted(monkeypatch):
    """Runs searched for sharpenings, and runs searched for partings, in calls so far."""
    counts = {"detect": 0, "compare": 0}

    def count(module, name, what):
        true = getattr(module, name)

        def call(runs, *rest):
            counts[what] += len(runs)
            return true(runs, *rest)

        monkeypatch.setattr(module, name, call)

    count(detect, "detect_sharpenings", "detect")
    count(compare, "find_all_partings", "compare")
    return counts


def analyse(runs, out, cache=None, workers=None, params=PARAMS):
    """The two steps that read the logs; returns the bytes of what they wrote."""
    folder = read_runs(runs, cache=cache, workers=workers)
    detect.detect(folder, out, params[0], workers, cache)
    compare.compare(folder, out, Margins(), params[1], workers, cache)
    return {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_a_second_analysis_computes_nothing_and_writes_the_same_bytes(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    without = analyse(runs, tmp_path / "a")
    first = analyse(runs, tmp_path / "b", cache)
    before = dict(counted)

    again = analyse(runs, tmp_path / "c", cache)

    assert without == first == again
    assert before == {"detect": 24, "compare": 24}
    assert counted == before


def test_ten_new_runs_are_ten_runs_of_work(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    save_pairs(runs, range(5), eta_ef=0.4)
    counted.update(detect=0, compare=0)

    found = analyse(runs, tmp_path / "a", cache)

    assert counted == {"detect": 10, "compare": 10}
    assert found == analyse(runs, tmp_path / "b")


def test_a_new_seed_computes_its_block_anew_and_no_other(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    save_pairs(runs, [7])
    counted.update(detect=0, compare=0)

    found = analyse(runs, tmp_path / "a", cache)

    assert counted == {"detect": 2, "compare": 8}
    assert found == analyse(runs, tmp_path / "b")


def test_a_longer_study_beside_it_leaves_every_block_as_it_is(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    for seed in range(2):
        steps = np.arange(250)
        for name, about in (("x-sgd", SGD), ("x-sgdm", SGDM)):
            loss = np.exp(-0.01 * steps + np.random.default_rng([seed, len(name)]).normal(0, 0.002, 250))
            write(runs / f"{name}-{seed}.parquet", {"step": steps, "loss": loss}, about | {"seed": seed, "study": "x"})
    counted.update(detect=0, compare=0)

    found = analyse(runs, tmp_path / "a", cache)

    assert counted == {"detect": 4, "compare": 4}
    assert found == analyse(runs, tmp_path / "b")


def test_a_longer_run_of_the_batch_size_changes_the_horizons_of_its_blocks(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    steps = np.arange(250)
    write(runs / "long.parquet", {"step": steps, "loss": np.exp(-0.01 * steps)}, SGD | {"learning_rate": 0.7})
    counted.update(detect=0, compare=0)

    found = analyse(runs, tmp_path / "a", cache)

    assert counted == {"detect": 1, "compare": 13}
    assert found == analyse(runs, tmp_path / "b")


def test_changed_content_of_the_same_time_is_seen(runs, tmp_path):
    cache = Cache(tmp_path / "cache")
    before = analyse(runs, tmp_path / "a", cache)
    path = runs / "sgd-0.1-0.parquet"
    stat = path.stat()
    save_pairs(runs, [0], jumps_at=40)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    after = analyse(runs, tmp_path / "b", cache)

    assert after == analyse(runs, tmp_path / "c")
    assert after["sharpenings.parquet"] != before["sharpenings.parquet"]


def test_removed_runs_leave_the_results(runs, tmp_path):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    for path in runs.glob("*-0.2-*"):
        path.unlink()

    assert analyse(runs, tmp_path / "a", cache) == analyse(runs, tmp_path / "b")


def test_other_parameters_or_other_code_compute_anew(runs, tmp_path, counted, monkeypatch):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    counted.update(detect=0, compare=0)

    analyse(runs, tmp_path / "a", cache, params=(Detect(resamples=39), PARAMS[1]))
    assert counted == {"detect": 12, "compare": 0}

    monkeypatch.setattr(cache_module, "_version", lambda stage: "other code")
    analyse(runs, tmp_path / "a", cache, params=(Detect(resamples=39), PARAMS[1]))
    assert counted == {"detect": 24, "compare": 12}


def damage(path: Path, how: str):
    content = path.read_bytes()
    if how == "flip":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif how == "cut":
        path.write_bytes(content[:-9])
    elif how == "gone":
        path.unlink()
    elif how == "swap":
        other = next(p for p in path.parent.glob("*.parquet") if p != path)
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(how.encode())


@pytest.mark.parametrize("how", ["flip", "cut", "gone", "swap", "", "{", "[]", "null"])
def test_a_damaged_cache_is_computed_anew(runs, tmp_path, how, counted):
    cache = Cache(tmp_path / "cache")
    expected = analyse(runs, tmp_path / "a", cache)
    for group in ("scan", "sharpenings", "partings"):
        files = sorted((tmp_path / "cache" / group).glob("*.parquet"))
        target = (tmp_path / "cache" / group / "index.json") if how in ("{", "[]", "null") else files[0]
        if how != "swap" or len(files) > 1:
            damage(target, how)
    counted.update(detect=0, compare=0)

    assert analyse(runs, tmp_path / "b", cache) == expected
    assert counted == {"detect": 12, "compare": 12}
    counted.update(detect=0, compare=0)
    assert analyse(runs, tmp_path / "b", cache) == expected
    assert counted == {"detect": 0, "compare": 0}


def forge(group: Path):
    """Double every number, with digests that fit: what someone who knows the source can write."""
    index = json.loads((group / "index.json").read_text())
    for table, digest in index["tables"].items():
        frame = pl.read_parquet((group / f"{digest}.parquet").read_bytes()).with_columns(pl.col(pl.Float64) * 2)
        content = io.BytesIO()
        frame.write_parquet(content)
        index["tables"][table] = content_digest(content.getvalue())
        (group / f"{index['tables'][table]}.parquet").write_bytes(content.getvalue())
    (group / "index.json").write_text(json.dumps(index))


def test_a_forged_cache_changes_no_table(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    expected = analyse(runs, tmp_path / "a", cache)
    for group in ("scan", "sharpenings", "partings"):
        forge(tmp_path / "cache" / group)
    counted.update(detect=0, compare=0)

    assert analyse(runs, tmp_path / "b", cache) == expected
    assert counted == {"detect": 12, "compare": 12}


def test_one_group_is_no_other(runs, tmp_path):
    cache = Cache(tmp_path / "cache")
    expected = analyse(runs, tmp_path / "a", cache)
    shutil.rmtree(tmp_path / "cache" / "partings")
    shutil.copytree(tmp_path / "cache" / "sharpenings", tmp_path / "cache" / "partings")

    assert analyse(runs, tmp_path / "b", cache) == expected


@pytest.fixture
def key_in(monkeypatch, tmp_path):
    """Keep the key below another folder; each call is another user."""

    def move(name):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        cache_module._own_key.cache_clear()
        return tmp_path / name / "mstudy" / "cache.key"

    yield move
    cache_module._own_key.cache_clear()


def test_the_cache_of_another_user_is_not_used(runs, tmp_path, counted, key_in):
    cache = Cache(tmp_path / "cache")
    key = key_in("one")
    expected = analyse(runs, tmp_path / "a", cache)
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_bytes()) == 32
    counted.update(detect=0, compare=0)
    cache_module._own_key.cache_clear()
    assert analyse(runs, tmp_path / "a", cache) == expected and counted == {"detect": 0, "compare": 0}

    key_in("another")

    assert analyse(runs, tmp_path / "a", cache) == expected and counted == {"detect": 12, "compare": 12}


@pytest.mark.parametrize("how", ["a file for a folder", "short", "no home"])
def test_without_a_key_everything_is_computed_anew(runs, tmp_path, counted, key_in, monkeypatch, how):
    key = key_in("home")
    if how == "a file for a folder":
        (tmp_path / "home").write_text("")
    elif how == "short":
        key.parent.mkdir(parents=True)
        key.write_bytes(b"short")
    else:
        monkeypatch.setattr(Path, "expanduser", lambda path: (_ for _ in ()).throw(RuntimeError("no home")))
    cache = Cache(tmp_path / "cache")
    expected = analyse(runs, tmp_path / "a", cache)
    cache_module._own_key.cache_clear()
    counted.update(detect=0, compare=0)

    assert analyse(runs, tmp_path / "b", cache) == expected
    assert counted == {"detect": 12, "compare": 12}


def test_old_files_of_the_cache_go(runs, tmp_path):
    cache = Cache(tmp_path / "cache")
    analyse(runs, tmp_path / "a", cache)
    before = len(list((tmp_path / "cache").rglob("*")))
    save_pairs(runs, [7])

    analyse(runs, tmp_path / "a", cache)

    assert len(list((tmp_path / "cache").rglob("*"))) == before


def test_processes_find_the_same(runs, tmp_path, monkeypatch):
    for module in (detect, compare):
        monkeypatch.setattr(module, "_MIN_RUNS_FOR_WORKERS", 0)
    monkeypatch.setattr(detect, "_CHUNK", 5)

    with Workers(2) as workers:
        found = analyse(runs, tmp_path / "a", workers=workers)

    assert found == analyse(runs, tmp_path / "b")


def test_results_do_not_depend_on_where_the_runs_lie(runs, tmp_path, counted):
    cache = Cache(tmp_path / "cache")
    before = analyse(runs, tmp_path / "a", cache)
    shutil.copytree(runs, tmp_path / "elsewhere")
    counted.update(detect=0, compare=0)

    assert analyse(tmp_path / "elsewhere", tmp_path / "a", cache) == before
    assert counted == {"detect": 0, "compare": 0}
