"""Truth: SHA-256 by hashlib over bytes put together by hand; every bit of a small file turned round."""

import hashlib
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mstudy.runlog.format.digest import content_digest
from mstudy.runlog.format.writer import write_run
from mstudy.runlog.reading.examine import examine

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0, "status": "completed"}
COLUMNS = {
    "step": np.arange(5),
    "loss": np.array([2.0, 1.5, 1.2, 1.0, 0.9]),
    "directional_curvature": np.array([1.0, np.nan, 3.0, 4.0, 5.0]),
    "mine": np.array([1.0, 2.0, 3.0, 4.0, 5.0]),
}


def log(tmp_path):
    write_run(tmp_path / "a.parquet", COLUMNS, ABOUT)
    return tmp_path / "a.parquet"


def seen(content):
    """What the analysis makes of a file."""
    found = examine(content, "a.parquet", {})
    about = None if found.run is None else {key: found.run[key] for key in found.run if key != "digest"}
    return about, [problem.rule for problem in found.problems if problem.severity == "error"]


def test_the_digest_is_that_of_metadata_and_columns():
    content = b"{}" + b"step" + struct.pack("<2q", 0, 1) + b"loss" + struct.pack("<2d", 0.5, float("nan"))
    columns = {"loss": np.array([0.5, np.inf]), "mine": np.ones(2), "step": np.array([0, 1], dtype=np.int32)}

    assert content_digest(b"{}", columns) == hashlib.sha256(content).hexdigest()


def test_no_turned_bit_changes_a_number_in_silence(tmp_path):
    content = log(tmp_path).read_bytes()
    right, none = seen(content)
    assert none == []

    taken = []
    for place in range(0, len(content) * 8, 3):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << (place % 8)
        about, errors = seen(bytes(changed))
        if about is not None:
            assert errors == []
            taken.append(about)
    assert all(about == right for about in taken)
    assert len(taken) < len(content) * 8 / 3 / 2  # most are refused: what is left is encoding that says the same


def rewritten(path, **entries):
    table = pq.read_table(path)
    return table, {**table.schema.metadata, **{key.encode(): value for key, value in entries.items()}}


def test_values_that_were_changed_are_refused_and_taken_without_the_entry(tmp_path):
    path = log(tmp_path)
    table, entries = rewritten(path)
    tenth = table.set_column(1, "loss", pa.array(np.array(table["loss"]) / 10)).replace_schema_metadata(entries)
    pq.write_table(tenth, path)
    refused = examine(path.read_bytes(), "a.parquet", {})

    assert [problem.rule for problem in refused.problems] == ["content-digest"]
    assert refused.problems[0].reason.startswith("it must be as it was written, found another content (sha256 ")

    del entries[b"mstudy_sha256"]
    pq.write_table(tenth.replace_schema_metadata(entries), path)

    assert examine(path.read_bytes(), "a.parquet", {}).problems == []


def test_a_column_of_the_users_own_may_change(tmp_path):
    path = log(tmp_path)
    table = pq.read_table(path)
    pq.write_table(table.drop_columns("mine").append_column("yours", pa.array(["x"] * 5)), path)

    assert seen(path.read_bytes())[1] == []
