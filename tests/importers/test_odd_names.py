"""Truth: each file's own rows, whatever other names its name would stand for if it were a pattern."""

import polars as pl
import pytest

from tests.importers.conftest import columns

WRITERS = {
    ".csv": lambda frame, sink: frame.write_csv(sink),
    ".tsv": lambda frame, sink: frame.write_csv(sink, separator="\t"),
    ".jsonl": lambda frame, sink: frame.write_ndjson(sink),
    ".parquet": lambda frame, sink: frame.write_parquet(sink),
}


@pytest.mark.parametrize("name", ["s[1]", "s*", "s?", "[!a]", "s{1,2}", "s\n2", "s\x1b[2J", "-s", "~s", "s%31"])
@pytest.mark.parametrize(
    ("kind", "suffix"), [("csv", ".csv"), ("csv", ".tsv"), ("csv", ".jsonl"), ("wandb", ".csv"), ("wandb", ".parquet")]
)
def test_each_run_has_the_rows_of_its_own_file(imported, tmp_path, monkeypatch, kind, suffix, name):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name  # the folder's name is one of the same kind
    folder.mkdir()
    (tmp_path / "s1").mkdir()
    for k, each in enumerate(("s1", "s22", "b", name)):
        step = "_step" if kind == "wandb" else "step"
        with (folder / f"{each}{suffix}").open("wb") as sink:
            WRITERS[suffix](pl.DataFrame({step: [0, 1], "loss": [1.0 + k, 0.5]}), sink)

    plan = imported(kind, folder.relative_to(tmp_path))

    assert plan.problems == {}
    assert {run: columns(plan, run)["loss"][0] for run in plan.runs} == {"s1": 1.0, "s22": 2.0, "b": 3.0, name: 4.0}
