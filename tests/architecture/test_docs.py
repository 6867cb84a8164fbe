"""The documents' own examples are read by the code that they describe."""

import re
from pathlib import Path

import numpy as np
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import load_mapping
from mstudy.runlog.format.schema import COLUMNS
from mstudy.runlog.recording.journal import parse_journal

DOCS = Path(__file__).parents[2] / "docs"
FORMAT = (DOCS / "log-format.md").read_text()


def block(kind, marker):
    """The one fenced block of that kind that holds the marker."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", FORMAT, re.DOTALL | re.MULTILINE)
    (found,) = [text for language, text in blocks if language == kind and marker in text]
    return found


def test_the_map_of_the_log_format(tmp_path):
    (tmp_path / "map.toml").write_text(block("toml", "[columns]"))

    mapping = load_mapping(tmp_path / "map.toml")

    assert (mapping.columns["loss"], mapping.runs) == ("train/loss", {"sweep/a": {"seed": 3}})


def test_the_journal_of_the_log_format():
    journal = parse_journal(block("", '"run_id"').encode(), Path("docs"))

    assert journal.metadata["learning_rate"] == 0.1
    np.testing.assert_equal(journal.columns["directional_curvature"], [np.nan, np.nan])


def test_the_log_format_names_every_column_and_every_source():
    assert [name for name in COLUMNS if f"`{name}`" not in FORMAT] == []
    assert re.findall(r"^\| `(\w+)` \|", FORMAT.partition("| KIND |")[2], re.MULTILINE) == [kind.name for kind in KINDS]


def test_the_lines_of_the_readme_log_a_run(tmp_path, monkeypatch):
    """As printed, with a model, data and batches."""
    import torch

    readme = (DOCS.parent / "README.md").read_text()
    (code,) = re.findall(r"```python\n(from mstudy import.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    model, data = torch.nn.Linear(2, 1), torch.ones(4, 2)
    names = {
        "model": model,
        "data": data,
        "batches": [data] * 11,
        "loss": lambda m, batch: m(batch).square().mean(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    }

    exec(code, names)  # our own README

    import polars as pl

    assert pl.read_parquet("runs/a.parquet")["step"].to_list() == [0, 10]
