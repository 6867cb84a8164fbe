"""Truth: the files that were there before."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.core.params import Grid
from mstudy.runlog.format.writer import write_run
from mstudy.train import stage
from mstudy.train.sweep.output import materialise
from mstudy.train.sweep.store import Store

from tests.train.configs import STUDY as SHARED

STUDY = replace(SHARED, seeds=1, width=2)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def log_of(path, **metadata):
    path.parent.mkdir(exist_ok=True)
    rows = {"step": np.arange(3), "loss": np.ones(3)}
    write_run(path, rows, {"run_id": path.stem, "learning_rate": 0.1, "momentum": 0.0, "batch_size": 1} | metadata)
    return path


@pytest.mark.parametrize("name", ["mine.parquet", ".hidden.parquet", "my[1]*.parquet", "two\nlines.parquet"])
def test_a_foreign_log_is_a_refusal_that_names_it_before_anything_is_written(store, tmp_path, name):
    log_of(tmp_path / "out" / name, study="s")
    before = files(tmp_path)

    with pytest.raises(LogError, match="no .*parquet but copies of this study's runs in the store, found ") as raised:
        stage.train_study("s", STUDY, store, tmp_path / "out", workers=1)

    assert repr(name) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert files(tmp_path) == before


@pytest.mark.parametrize("kind", ["garbage", "empty", "folder", "dangling link"])
def test_what_is_no_log_is_foreign_too(store, tmp_path, kind):
    path = tmp_path / "out" / "x.parquet"
    path.parent.mkdir()
    {
        "garbage": lambda: path.write_bytes(b"PAR1 garbage PAR1"),
        "empty": path.touch,
        "folder": path.mkdir,
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
    }[kind]()

    with pytest.raises(LogError, match="found 'x.parquet' in .*out; move it away, or name another --out"):
        stage.train_study("s", STUDY, store, tmp_path / "out", workers=1)

    assert os.path.lexists(path)


def test_a_log_of_another_study_and_a_changed_one_stay(store, tmp_path):
    out = tmp_path / "out"
    stage.train_study("other", STUDY, store, out, workers=1)
    with pytest.raises(LogError, match="copies of this study's runs"):
        stage.train_study("s", STUDY, store, out, workers=1)
    assert len(files(out)) == 2

    changed = sorted(out.iterdir())[0]
    log_of(changed, study="other")
    one = replace(STUDY, momenta=(0.9,) if "0.0" in repr(changed) else (0.5, 0.9), eta_ef=Grid(0.2, 0.2, 1))
    with pytest.raises(LogError, match=f"found '{changed.name}'"):
        stage.train_study("other", one, store, out, workers=1)
    assert len(files(out)) == 2


def test_a_copy_that_the_store_no_longer_holds_stays(store, tmp_path):
    stage.train_study("s", STUDY, store, tmp_path / "out", workers=1)
    shutil.rmtree(store.root)
    before = files(tmp_path / "out")

    with pytest.raises(LogError, match="move it away"):
        stage.train_study("s", replace(STUDY, momenta=(0.9,)), store, tmp_path / "out", workers=1)

    assert files(tmp_path / "out") == before


def test_a_foreign_file_that_comes_while_training_stays(store, tmp_path):
    stage.train_study("s", STUDY, store, tmp_path / "a", workers=1)
    log_of(tmp_path / "b" / "mine.parquet")

    with pytest.raises(LogError, match=r"found 'mine.parquet'"):
        materialise(store, "s", [], tmp_path / "b")

    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.parquet"]


def test_other_files_and_folders_of_the_output_stay(store, tmp_path):
    out = tmp_path / "out"
    log_of(out / "notes.txt")
    log_of(out / "deeper" / "mine.parquet") if (out / "deeper").mkdir() is None else None
    before = files(out)

    stage.train_study("s", STUDY, store, out, workers=1)

    assert before.items() <= files(out).items()


@pytest.mark.parametrize(
    ("out", "place"),
    [
        ("store", "store"),
        ("store/deeper/out", "store"),
        (".", "store"),
        ("x/../store", "store"),
        ("link", "store"),
        ("link/out", "store"),
        ("real", "link_to_real/store"),
    ],
)
def test_output_and_store_in_each_other_are_refused_before_anything_is_written(tmp_path, monkeypatch, out, place):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / place)
    (tmp_path / "real").mkdir()
    (tmp_path / "link_to_real").symlink_to("real")
    stage.train_study("other", STUDY, store, tmp_path / "elsewhere", workers=1)
    (tmp_path / "link").symlink_to(store.root)
    before = files(tmp_path)

    with pytest.raises(ConfigError, match=r"\(--out\) must lie neither in the store \(--store\) nor around it, found "):
        stage.train_study("s", STUDY, store, tmp_path / out, workers=1)

    assert files(tmp_path) == before


def test_a_file_in_the_place_of_the_output_is_one_sentence(store, tmp_path):
    (tmp_path / "out").write_text("mine")

    with pytest.raises(LogError, match="The runs folder must be a folder that can be read, found at .*out: Not a dir"):
        stage.train_study("s", STUDY, store, tmp_path / "out", workers=1)

    assert not store.root.exists()


def test_an_output_that_cannot_be_written_is_one_sentence(store, tmp_path):
    stage.train_study("s", STUDY, store, tmp_path / "out", workers=1)
    (tmp_path / "file").write_text("")

    with pytest.raises(LogError, match="The runs folder must be .*found at .*file/out: Not a directory"):
        materialise(store, "s", [], tmp_path / "file" / "out")


def test_a_store_that_loses_a_log_at_the_end_is_one_sentence(store, tmp_path):
    with pytest.raises(LogError, match="keep each log as it was written, found otherwise at .*gone.parquet; run the"):
        materialise(store, "s", ["gone"], tmp_path / "out")


def test_a_file_that_cannot_be_read_is_taken_for_a_foreign_one(store, tmp_path, monkeypatch):
    path = log_of(tmp_path / "out" / "mine.parquet", study="s")
    before = files(tmp_path)

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "read_bytes", refuse)
        with pytest.raises(LogError, match="found 'mine.parquet' in .*; move it away"):
            materialise(store, "s", [], tmp_path / "out")

    assert files(tmp_path) == before
