"""Truth: by hand, in the tables and files that MLflow 3.17 makes; by MLflow itself where it is installed."""

import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from mstudy.core.errors import LogError

from tests.importers.conftest import columns

SCHEMA = """
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), status VARCHAR(9), lifecycle_stage VARCHAR(20));
CREATE TABLE metrics (
    key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32), step BIGINT, is_nan BOOLEAN
);
"""
PARAMS_TABLE = "CREATE TABLE params (key VARCHAR(250), value VARCHAR(8000), run_uuid VARCHAR(32));"
SCHEMA += PARAMS_TABLE
PARAMS = {"lr": "0.1", "momentum": "0.0", "batch_size": "8", "seed": "2", "optimizer": "SGD"}


@pytest.fixture
def database(tmp_path):
    """An mlflow.db of one finished run, one under way and one deleted; returns its path."""
    path = tmp_path / "with space?#" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as made:
        made.executescript(SCHEMA)
        for run, status, stage in (
            ("a", "FINISHED", "active"),
            ("b", "RUNNING", "active"),
            ("c", "FINISHED", "deleted"),
        ):
            made.execute("INSERT INTO runs VALUES (?, 'n', ?, ?)", (run, status, stage))
            made.executemany("INSERT INTO params VALUES (?, ?, ?)", [(k, v, run) for k, v in PARAMS.items()])
        points = [(2.0, 1, 0, 0), (9.0, 9, 5, 0), (1.0, 2, 5, 0), (0.5, 3, 6, 0), (0.0, 4, 8, 1)]
        made.executemany("INSERT INTO metrics VALUES ('loss', ?, ?, 'a', ?, ?)", points)
        made.execute("INSERT INTO metrics VALUES ('kappa', 1.7976931348623157e308, 1, 'a', 5, 0)")
        made.execute("INSERT INTO metrics VALUES ('loss', 1.0, 1, 'b', 0, 0)")
        made.commit()
    return path


def test_the_database(database, imported):
    """Of two values at step 5 the later one; is_nan at step 8; infinity is held as the largest float."""
    plan = imported("mlflow", database.parent, values={})

    assert list(plan.runs) == ["a", "b"]
    a, about = columns(plan, "a"), plan.runs["a"].metadata
    assert (a["step"], a["loss"]) == ([0, 5, 6], [2.0, 9.0, 0.5])
    np.testing.assert_equal(a["directional_curvature"], [math.nan, math.inf, math.nan])
    assert (about["status"], about["diverged_step"], about["seed"], about["optimizer"]) == ("diverged", 8, 2, "sgd")
    assert plan.runs["b"].metadata["status"] == "interrupted"


def test_the_folder(tmp_path, imported):
    """Metric keys may hold slashes; the last line is torn; status 3 is FINISHED."""
    run = tmp_path / "mlruns" / "0" / "abc"
    (run / "metrics" / "train").mkdir(parents=True)
    (run / "params").mkdir()
    (run / "meta.yaml").write_text("run_id: abc\nstatus: 3\n")
    (run / "metrics" / "train" / "loss").write_text("1 2.0 0\n2 1.0 1\n3 NaN 2\n4 0.5")
    for key, value in PARAMS.items():
        (run / "params" / key).write_text(value)

    plan = imported("mlflow", tmp_path / "mlruns", values={})

    assert columns(plan, "0/abc") == {"step": [0, 1], "loss": [2.0, 1.0]}
    assert plan.runs["0/abc"].metadata["diverged_step"] == 2


@pytest.mark.parametrize("kind", ["sqlite", "file"])
def test_what_mlflow_itself_writes(tmp_path, imported, kind):
    if subprocess.run([sys.executable, "-c", "import mlflow"], capture_output=True).returncode:
        pytest.skip("mlflow is not installed; its tables and files are made by hand in the other tests")
    uri = f"sqlite:///{tmp_path}/mlflow.db" if kind == "sqlite" else f"file:{tmp_path}/mlruns"
    code = (
        "import mlflow, sys\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "with mlflow.start_run():\n"
        f"    mlflow.log_params({PARAMS})\n"
        "    for step in range(5): mlflow.log_metric('train/loss', 1 / (step + 1), step=step)\n"
    )
    environment = {"MLFLOW_ALLOW_FILE_STORE": "true", "PATH": "", "HOME": str(tmp_path), "GIT_PYTHON_REFRESH": "quiet"}
    made = subprocess.run(
        [sys.executable, "-c", code, uri], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert made.returncode == 0, made.stderr[-1000:]

    plan = imported("mlflow", tmp_path, values={})

    ((name, run),) = plan.runs.items()
    assert columns(plan, name) == {"step": list(range(5)), "loss": [1 / (step + 1) for step in range(5)]}
    assert (run.metadata["status"], run.metadata["learning_rate"], run.metadata["seed"]) == ("completed", 0.1, 2)


def spoil(path, text):
    path.unlink()
    with closing(sqlite3.connect(path)) as made:
        made.executescript(text)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE TABLE runs (x);", r"must have the table metrics, found \['runs'\]"),
        (
            SCHEMA.replace("CREATE TABLE metrics", f"CREATE VIEW metrics AS {ENDLESS} x FROM n; CREATE TABLE m"),
            "table metrics",
        ),
        (SCHEMA.replace(PARAMS_TABLE, "CREATE VIRTUAL TABLE params USING fts5(key, value, run_uuid);"), "table params"),
        ("CREATE TABLE runs (x); CREATE TABLE metrics (x); CREATE TABLE params (x);", "no such column: run_uuid"),
        (
            SCHEMA + "INSERT INTO runs VALUES ('a', 'n', 'FINISHED', 'active');"
            "INSERT INTO metrics VALUES ('loss', 'much', 1, 'a', 1, 0);",
            "must have a whole step and a number, found 1, 'much'",
        ),
    ],
)
def test_a_database_of_another_make(database, imported, text, message):
    spoil(database, text)

    with pytest.raises(LogError, match=message):
        imported("mlflow", database)


def test_a_file_that_is_no_database(database, imported):
    database.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 40)

    with pytest.raises(LogError, match="MLflow's database must be readable, found"):
        imported("mlflow", database)


def test_a_folder_that_is_not_mlflows(tmp_path, imported):
    with pytest.raises(LogError, match="must hold mlflow.db or mlruns/, found neither"):
        imported("mlflow", tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("metrics/loss", "1 much 0\n1 1 1\n", 'lines "timestamp value step", found b.1 much 0.*line 1'),
        ("metrics/loss", "1 1 99999999999999999999\n1 1 1\n", "whole step and a number, found 99999999999999999999"),
        ("meta.yaml", "- 1", "meta.yaml must be a mapping, found list"),
        ("meta.yaml", "a: !!python/object/apply:os.system ['true']", "must be plain JSON or YAML, found .*python"),
        ("params/lr", "\x00" * 2**20 + "x", "at most a megabyte, found more"),
    ],
)
def test_bad_files_are_named(tmp_path, imported, file, text, message):
    run = tmp_path / "0" / "abc"
    for folder in ("metrics", "params"):
        (run / folder).mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 3\n")
    (run / "metrics" / "loss").write_text("1 1.0 0\n")
    (run / file).write_text(text)

    with pytest.raises(LogError, match=message):
        imported("mlflow", tmp_path)


def test_a_link_out_of_the_source_is_not_read(tmp_path, imported):
    secret = tmp_path / "secret"
    secret.write_text("0.25")
    run = tmp_path / "mlruns" / "0" / "abc"
    for folder in ("metrics", "params"):
        (run / folder).mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 3\n")
    (run / "metrics" / "loss").write_text("1 1.0 0\n")
    (run / "params" / "lr").symlink_to(secret)

    about = imported("mlflow", tmp_path / "mlruns").runs["0/abc"]

    assert "learning_rate" not in about.used_config


def test_a_metric_of_three_gigabytes_is_not_read(tmp_path, imported):
    run = tmp_path / "0" / "abc"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 3\n")
    (run / "metrics" / "loss").write_text("1 1.0 0\n")
    os.truncate(run / "metrics" / "loss", 3 << 30)

    with pytest.raises(LogError, match="must be at most 2,147,483,648 bytes, found 3,221,225,472"):
        imported("mlflow", tmp_path)
