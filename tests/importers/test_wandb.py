"""Truth: by hand, in the layouts that Weights & Biases documents; its own writer needs its server."""

import json
import math

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping
from mstudy.importers.tool_tables.wandb import find_wandb

from tests.importers.conftest import columns


@pytest.fixture
def exports(tmp_path):
    (tmp_path / "exports").mkdir()
    return tmp_path / "exports"


def test_the_history_artifact_with_its_config(exports, imported):
    """Sparse rows, a column of media, a metric of the user's called step, the config as config.yaml holds it."""
    history = {
        "_step": [0, 1, 2, 3],
        "_runtime": [0.1] * 4,
        "_timestamp": [1.7e9] * 4,
        "train/loss": [2.0, None, 1.0, 0.5],
        "train/accuracy": [None, 0.1, None, 0.7],
        "step": [0, 10, 20, 30],
        "hist": [{"values": [1, 2], "_type": "histogram"}] * 4,
    }
    (exports / "abc").mkdir()
    pq.write_table(pa.table(history), exports / "abc" / "history.parquet")
    config = "wandb_version: 1\n_wandb: {value: {python_version: '3.11'}}\n"
    settings = {"lr": 0.1, "momentum": 0, "batch_size": 8, "seed": 4, "model": "mlp"}
    config += "".join(f"{key}: {{desc: null, value: {value}}}\n" for key, value in settings.items())
    (exports / "abc" / "config.yaml").write_text(config)

    plan = imported("wandb", exports, values={})

    found, about = columns(plan, "abc/history"), plan.runs["abc/history"].metadata
    assert (found["step"], found["loss"]) == ([0, 2, 3], [2.0, 1.0, 0.5])
    np.testing.assert_equal(found["accuracy"], [math.nan, math.nan, 0.7])
    assert [about[k] for k in ("learning_rate", "momentum", "batch_size", "seed", "model")] == [0.1, 0, 8, 4, "mlp"]
    assert plan.runs["abc/history"].notes == (
        "steps are those of _step, and step counts otherwise; columns.step of a map chooses",
        "1 values of train/accuracy at steps without a loss are left out",
    )


def test_scan_history_as_csv_and_as_json_lines(exports, imported):
    rows = [{"_step": k, "_timestamp": 1.0, "loss": "NaN" if k >= 2 else 1.0 / (k + 1)} for k in range(4)]
    pl.DataFrame(rows, strict=False).write_csv(exports / "a.csv")
    (exports / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    plan = imported("wandb", exports)

    for name in ("a", "b"):
        assert columns(plan, name) == {"step": [0, 1], "loss": [1.0, 0.5]}
        assert (plan.runs[name].metadata["status"], plan.runs[name].metadata["diverged_step"]) == ("diverged", 2)


def test_the_web_pages_csv_of_many_runs(exports, imported):
    head = '"Step","run - 1 - loss","run - 1 - loss__MIN","run - 1 - loss__MAX","two - loss","two - loss__MIN"\n'
    (exports / "loss.csv").write_text(head + '"0","2.0","1","3","4.0","4"\n"5","1.0","1","1","",""\n')
    (exports / "kappa.csv").write_text('"Step","run - 1 - _step","run - 1 - kappa"\n"0","0","9"\n')

    plan = imported("wandb", exports)

    one = columns(plan, "run - 1")
    assert (one["step"], one["loss"]) == ([0, 5], [2.0, 1.0])
    np.testing.assert_equal(one["directional_curvature"], [9.0, math.nan])
    assert columns(plan, "two") == {"step": [0], "loss": [4.0]}
    assert "samples a run's history" in plan.runs["two"].notes[0]


def test_files_that_are_no_export(exports, imported):
    with pytest.raises(LogError, match="must hold exports, found no"):
        find_wandb(exports, Mapping())
    (exports / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(LogError, match="a: .*a.parquet must be a whole parquet table, found otherwise"):
        imported("wandb", exports)
