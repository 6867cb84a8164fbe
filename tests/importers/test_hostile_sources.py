"""Sources that are crafted, damaged, closed or far too large: one sentence at once, and nothing left out in silence."""

import json
import os
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.importers import assemble, run_import, source_files
from mstudy.importers.mapping import load_mapping
from mstudy.importers.run_import import write_plan
from mstudy.importers.tables import table_bounds

from tests.importers.conftest import columns

TABLE = "step,loss\n0,1\n1,0.5\n"


@pytest.fixture
def source(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "good.csv").write_text(TABLE)
    return tmp_path / "src"


def refused(imported, kind, path, message):
    with pytest.raises(LogError, match=message) as raised:
        imported(kind, path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {k: *a}\n" + "".join(f"k{i}: *a\n" for i in range(9000)),
        "a: &a [1,2]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        + "".join(f"{y}: &{y} [{','.join(['*' + x] * 9)}]\n" for x, y in zip("bcdefgh", "cdefghi", strict=True)),
        "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {{<<: [{','.join([f'*x{i - 1}'] * 9)}]}}\n" for i in range(1, 12)),
        "".join(f"k{i}: 1\n" for i in range(60_000)),
    ],
    ids=["itself", "lists", "merges", "many"],
)
def test_yaml_bombs(source, imported, text):
    (source / "hparams.yaml").write_text(text)

    refused(imported, "csv", source, "A run's configuration must have at most 10000 entries, found more")


@pytest.mark.parametrize("value", ["!!timestamp foo", "!!int ''", "!!bool foo", "!!float x", "!!binary é", "0x"])
def test_yaml_of_a_wrong_tag(source, imported, value):
    (source / "hparams.yaml").write_text(f"a: {value}\n")

    if value != "0x":
        refused(imported, "csv", source, "A run's configuration must be plain JSON or YAML, found")


def parquet(path, n_rows):
    """Equal values: some megabytes for billions of rows."""
    schema = pa.schema([("_step", pa.int8()), ("loss", pa.float32())])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        some = pa.table({"_step": np.zeros(1 << 22, np.int8), "loss": np.zeros(1 << 22, np.float32)}, schema=schema)
        for _ in range(-(-n_rows >> 22) if n_rows < 0 else (n_rows >> 22) + 1):
            writer.write_table(some)


def test_parquet_of_more_rows_than_a_table_has(tmp_path, imported):
    parquet(tmp_path / "a.parquet", 20_000_000)

    assert (tmp_path / "a.parquet").stat().st_size < 1 << 20
    refused(imported, "wandb", tmp_path, r"at most 20,000,000 rows, found 20,971,520 in .*a\.parquet")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "step,loss" + ",x" * 100_000 + "\n0,1\n", "at most 10,000 columns, found 100,002 in"),
        ("a.csv", 'step,loss,"a\nb"' + ",x" * 100_000 + "\n0,1\n", "at most 10,000 columns, found 100,003 in"),
        ("a.csv", "a" * (1 << 24) + "b\n", "header must be at most 16,777,216 bytes, found 16,777,217"),
        ("a.tsv", "step\tloss" + "\tx" * 9_000 + "\n" * 30_000, "at most 200,000,000 cells, found 270,060,000 in"),
        ("a.csv", "step,loss" + "\n" * 20_000_001, "at most 20,000,000 rows, found 20,000,001 in"),
        (
            "a.jsonl",
            "".join(json.dumps({f"k{i}": i}) + "\n" for i in range(10_001)),
            "at most 10,000 columns, found 10,001",
        ),
        (
            "a.jsonl",
            '{"a": "' + "x" * (1 << 24) + '"}\n',
            "A line must be at most 16,777,216 bytes, found more in .*, line 1",
        ),
    ],
    ids=["columns", "quoted", "header", "cells", "rows", "keys", "line"],
)
def test_tables_beyond_their_bounds(tmp_path, imported, name, text, message):
    (tmp_path / name).write_text(text)

    refused(imported, "csv", tmp_path, message)


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b'"a\n,b",c\n1\n', b"a,b", b""])
def test_where_a_header_ends(content, tmp_path):
    found = table_bounds._end_of_header(content)

    assert content[found : found + 1] in (b"\n", b"")
    assert content[:found].count(b'"') % 2 == 0


def test_sparse_files_of_two_hundred_gigabytes(source, imported):
    (source / "runs").mkdir()
    for name in ("a.csv", "b.jsonl", "c.parquet", "d.journal", "e.tfevents", "mlflow.db"):
        (source / "runs" / name).touch()
        os.truncate(source / "runs" / name, 200 << 30)

    refused(imported, "csv", source / "runs" / "a.csv", "must be at most 2,147,483,648 bytes, found 214,748,364,800")
    for kind in ("wandb", "tensorboard", "mlflow"):
        refused(imported, kind, source / "runs", "found")


def test_zeros_behind_events(tmp_path, imported):
    tensorboard = pytest.importorskip("torch.utils.tensorboard")
    with tensorboard.SummaryWriter(tmp_path / "a") as writer:
        for step in range(20):
            writer.add_scalar("loss", 1.0, step)
    (path,) = (tmp_path / "a").iterdir()
    with path.open("ab") as file:
        file.write(bytes(1 << 26))
        os.truncate(path, 200 << 30)

    assert columns(imported("tensorboard", tmp_path), "a")["step"] == list(range(20))
    with path.open("r+b") as file:
        file.seek(150 << 30)
        file.write(b"x")
    refused(imported, "tensorboard", tmp_path, "must be whole up to its tail, found a wrong checksum at byte")


def test_what_is_no_plain_file_is_passed_over_and_said(source, imported, tmp_path):
    os.mkfifo(source / "pipe.csv")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.csv").write_text(TABLE)
    (source / "folder").symlink_to(tmp_path / "other")
    (source / "x.csv").symlink_to(tmp_path / "other" / "x.csv")
    (source / "nothing.csv").symlink_to(tmp_path / "nothing")
    (source / "again.csv").symlink_to(source / "good.csv")

    plan = imported("csv", source)

    assert sorted(plan.runs) == ["again", "folder/x", "good", "x"]
    assert plan.notes == (
        f"passed over: 1 entries that are no plain files, the first {source / 'pipe.csv'}",
        f"followed: 2 links that lead out of the source, the first {source / 'folder'}",
        f"passed over: 1 links to nothing, the first {source / 'nothing.csv'}",
    )
    assert set(plan.notes) <= set(plan.as_text().splitlines())
    assert plan.as_dict()["notes"] == list(plan.notes)


def test_a_link_out_of_the_source_is_followed(source, imported, tmp_path):
    """As the snapshots of a hub and the caches of DVC are made."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "run.csv").symlink_to(source / "good.csv")
    assert columns(imported("csv", tmp_path / "hub"), "run")["loss"] == [1.0, 0.5]


def test_links_that_lead_nowhere_or_in_circles_are_said(imported, tmp_path):
    hub = tmp_path / "hub"
    (hub / "a").mkdir(parents=True)
    (hub / "a" / "back").symlink_to(hub)
    (hub / "around").symlink_to(tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "home").symlink_to(hub / "a")
    (hub / "self.csv").symlink_to(hub / "self.csv")

    message = "found no .*csv, .*; followed: 1 links that lead out of the source, the first .*around; "
    message += "passed over: 2 links to folders that are read already, the first .*; passed over: 1 links to nothing"
    refused(imported, "csv", hub, message)


def test_a_source_without_end_is_refused(source, imported, monkeypatch):
    monkeypatch.setattr(source_files, "MAX_ENTRIES", 3)
    for k in range(3):
        (source / f"{k}.csv").write_text(TABLE)

    refused(imported, "csv", source, "A source must have at most 3 files and folders, found more in")


@pytest.mark.parametrize("kind", ["csv", "wandb", "tensorboard", "mlflow", "journal"])
def test_sources_that_are_no_file(imported, tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")

    refused(imported, kind, tmp_path / "pipe", "The source must be a file or a folder, found a pipe at .*pipe")
    refused(imported, kind, tmp_path / ("a" * 5000), "The source must be readable, found '.*: File name too long")
    refused(imported, kind, tmp_path / "nowhere", "The source must exist, found nothing at")


def test_a_folder_that_is_closed_is_an_error(source, imported, monkeypatch):
    """Root may list any folder, so the refusal is made by hand."""
    (source / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(source_files.os, "scandir", refuse)

    refused(
        imported, "csv", source, "All that lies in the source must be readable, found '.*closed': Permission denied"
    )


def test_a_file_that_may_not_be_seen_is_an_error(source, imported, monkeypatch):
    lstat = source_files.Path.stat

    def refuse(self, **options):
        if self.name == "good.csv" and options.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", str(self))
        return lstat(self, **options)

    monkeypatch.setattr(source_files.Path, "stat", refuse)

    refused(
        imported, "csv", source, "All that lies in the source must be readable, found '.*good.csv': Permission denied"
    )


def test_a_map_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "map.toml")

    with pytest.raises(ConfigError, match="map.toml must be a plain file, found a pipe"):
        load_mapping(tmp_path / "map.toml")


def test_two_runs_whose_files_collide(source, imported, monkeypatch):
    (source / "other.csv").write_text(TABLE)
    monkeypatch.setattr(assemble, "run_id_of", lambda name: "same")

    plan = imported("csv", source)

    assert list(plan.runs) == ["good"]
    assert plan.problems["other"] == ("its file must be its own, found that of 'good' under one name; rename the run.")


def test_a_killed_import_leaves_no_part_that_looks_whole(source, imported, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    for k in range(5):
        (source / f"r{k}.csv").write_text(TABLE)
    plan, out = imported("csv", source), tmp_path / "out"
    write, left = run_import.write_run, [3]

    def killed(*args):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        write(*args)

    monkeypatch.setattr(run_import, "write_run", killed)
    monkeypatch.setattr(run_import.shutil, "rmtree", lambda *args, **options: None)  # nothing tidies after a kill
    with pytest.raises(Killed):
        write_plan(plan, out)
    assert [path for path in out.rglob("*.parquet") if not path.parent.name.startswith(".")] == []
    monkeypatch.undo()
    write_plan(plan, out)
    assert len(list(out.glob("*.parquet"))) == 6


def test_an_import_leaves_nothing_but_logs(source, imported, tmp_path):
    write_plan(imported("csv", source), tmp_path / "out")

    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".parquet"]


def test_an_import_killed_between_two_moves_hides_no_log(source, imported, tmp_path, monkeypatch):
    for k in range(5):
        (source / f"r{k}.csv").write_text(TABLE)
    move, left = run_import.move_into_place, [3]

    def full(*args):
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        move(*args)

    monkeypatch.setattr(run_import, "move_into_place", full)
    with pytest.raises(LogError, match="A run's log must be writable, found at .*out: No space left on device"):
        write_plan(imported("csv", source), tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.parquet"))) == 6
    assert not any(path.name.startswith(".") for path in (tmp_path / "out").rglob("*"))


@pytest.fixture
def database(tmp_path):
    """A database in WAL mode whose last loss waits in the log beside it, as a killed server leaves it."""
    (tmp_path / "live").mkdir()
    with closing(sqlite3.connect(tmp_path / "live" / "mlflow.db")) as made:
        made.executescript("""
        PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
        CREATE TABLE runs (run_uuid, status, lifecycle_stage); CREATE TABLE params (key, value, run_uuid);
        CREATE TABLE metrics (key, value FLOAT, timestamp, run_uuid, step, is_nan);
        INSERT INTO runs VALUES ('a', 'FINISHED', 'active');
        INSERT INTO metrics VALUES ('loss', 2.0, 0, 'a', 0, 0);
        PRAGMA wal_checkpoint(TRUNCATE);
        INSERT INTO metrics VALUES ('loss', 1.0, 1, 'a', 1, 0);""")
        shutil.copytree(tmp_path / "live", tmp_path / "killed")
    (tmp_path / "killed" / "mlflow.db-shm").unlink()
    return tmp_path


@pytest.mark.parametrize(("which", "losses"), [("killed", [2.0, 1.0]), ("live", [2.0, 1.0])])
def test_a_database_in_wal_mode_is_read_whole_and_without_a_trace(database, imported, which, losses):
    folder = database / which
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    plan = imported("mlflow", folder)

    assert plan.runs["a"].columns["loss"].tolist() == losses
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert ("mlflow.db-wal" in before) == (which == "killed")


def test_a_value_that_sqlite_would_compute_is_bounded(tmp_path, imported):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as made:
        made.executescript("""
        CREATE TABLE runs (run_uuid, status, lifecycle_stage); CREATE TABLE params (key, value, run_uuid);
        CREATE TABLE metrics (key AS (hex(zeroblob(400000000))), value FLOAT, timestamp, run_uuid, step, is_nan);
        INSERT INTO runs VALUES ('a', 'FINISHED', 'active');
        INSERT INTO metrics (value, timestamp, run_uuid, step, is_nan) VALUES (1, 1, 'a', 0, 0);""")

    refused(imported, "mlflow", tmp_path, "MLflow's database must be readable, found .*too big")


def test_steps_that_a_float_cannot_tell_apart(tmp_path, imported):
    run = tmp_path / "0" / "abc"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 3\n")
    (run / "metrics" / "loss").write_text(f"1 2.0 0\n2 1.0 {2**53}\n")

    refused(imported, "mlflow", tmp_path, f"step must be at most 9007199254740991, found {2**53}")


def test_a_name_that_is_not_utf_8(source, imported, tmp_path):
    path = os.path.join(os.fsencode(source), b"\xff.csv")
    with open(path, "w") as file:
        file.write(TABLE)

    plan = imported("csv", source)
    write_plan(plan, tmp_path / "out")

    assert len(plan.runs) == len(list((tmp_path / "out").iterdir())) == 2
    assert json.dumps(plan.as_dict())
    assert plan.as_text().isprintable() or plan.as_text().encode()
