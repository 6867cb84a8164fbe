"""Truth: the bytes that training wrote first."""

import random
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.format.writer import write_run
from mstudy.train import stage
from mstudy.train.sweep.store import Store

from tests.train.configs import STUDY


@pytest.fixture
def trained(tmp_path):
    """A store with a finished study, and its four logs in the order of their names."""
    store = Store(tmp_path / "store")
    stage.train_study("s", STUDY, store, tmp_path / "runs", workers=1)
    return store, sorted(store.root.glob("*.parquet"))


def train(store, tmp_path):
    return stage.train_study("s", STUDY, store, tmp_path / "runs", workers=1)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def numbers(folder):
    """The rows of each log; a run trained anew says in its metadata that it was alone."""
    return {path.name: pq.read_table(path).to_pylist() for path in folder.glob("*.parquet")}


@pytest.mark.parametrize("damage", ["empty", "cut", "swapped", "one bit", "other losses"])
def test_a_damaged_log_is_told_and_its_run_trained_anew(trained, tmp_path, capsys, damage):
    store, (first, second, *_) = trained
    before = numbers(store.root)
    content = bytearray(first.read_bytes())
    content[100] ^= 8
    {
        "empty": lambda: first.write_bytes(b""),
        "cut": lambda: first.write_bytes(first.read_bytes()[:-7]),
        "swapped": lambda: shutil.copy(second, first),
        "one bit": lambda: first.write_bytes(content),
        "other losses": lambda: write_run(
            first, {"step": np.arange(3), "loss": np.ones(3)}, {"run_id": first.stem, "study": "s"}
        ),
    }[damage]()
    capsys.readouterr()

    assert train(store, tmp_path) == 1

    said = capsys.readouterr().err.splitlines()[0]
    assert said == (
        f"The store must keep each log as it was written, found 1 that are not, the first at {first}; "
        "their runs are trained anew."
    )
    assert numbers(store.root) == before
    assert contents(store.root) == contents(tmp_path / "runs")
    assert train(store, tmp_path) == 0
    assert "store must" not in capsys.readouterr().err


def test_of_forty_flipped_bits_none_is_taken(trained):
    store, (first, *_) = trained
    whole, places = first.read_bytes(), random.Random(1)
    for _ in range(40):
        content = bytearray(whole)
        content[places.randrange(len(content))] ^= 1 << places.randrange(8)
        first.write_bytes(content)
        assert first.stem not in store
    first.write_bytes(whole)
    assert first.stem in store


def test_a_store_from_before_digests_keeps_its_runs_and_gets_digests(trained, tmp_path):
    store, logs = trained
    shutil.rmtree(store.root / "digests")
    before = contents(store.root)

    assert train(store, tmp_path) == 0

    assert contents(store.root) == before
    assert {path.stem for path in (store.root / "digests").iterdir()} == {log.stem for log in logs}


@pytest.mark.parametrize("damage", ["empty", "swapped", "no entry", "strange entry"])
def test_also_without_a_digest_what_is_not_the_log_of_its_run_is_trained_anew(trained, tmp_path, damage):
    store, (first, second, *_) = trained
    before = numbers(store.root)
    shutil.rmtree(store.root / "digests")
    rows = {"step": np.arange(3), "loss": np.ones(3)}
    {
        "empty": lambda: first.write_bytes(b""),
        "swapped": lambda: shutil.copy(second, first),
        "no entry": lambda: write_run(first, rows, {}),
        "strange entry": lambda: write_run(first, rows, ["run_id"]),
    }[damage]()

    assert train(store, tmp_path) == 1
    assert numbers(store.root) == before


@pytest.mark.parametrize("noted", [b"", b"\xff\xfe garbage"])
def test_a_damaged_digest_costs_a_training_and_no_more(trained, tmp_path, noted):
    store, (first, *_) = trained
    before = numbers(store.root)
    (store.root / "digests" / f"{first.stem}.sha256").write_bytes(noted)

    assert train(store, tmp_path) == 1
    assert numbers(store.root) == before
    assert train(store, tmp_path) == 0


def test_a_log_that_cannot_be_read_is_one_sentence(trained, tmp_path):
    store, (first, *_) = trained
    first.unlink()
    first.mkdir()

    with pytest.raises(LogError, match="The store's files must be readable, found at .*: Is a directory"):
        train(store, tmp_path)
