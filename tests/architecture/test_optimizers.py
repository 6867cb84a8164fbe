"""A new optimizer is one entry and one update rule: the lists hold the same names."""

from dataclasses import fields
from pathlib import Path

from mstudy.core.optimizers import OPTIMIZERS
from mstudy.train.ensemble.state import State
from mstudy.train.ensemble.update_rule import UPDATE_RULES

DOCS = Path(__file__).parents[2] / "docs"


def test_each_optimizer_has_an_update_rule():
    assert list(UPDATE_RULES) == [entry.name for entry in OPTIMIZERS]


def test_a_buffer_is_named_like_no_other_part_of_a_checkpoint():
    buffers = {name for rule in UPDATE_RULES.values() for name in rule.buffers}

    assert buffers & {field.name for field in fields(State)} == set()


def test_the_log_format_names_each_optimizer():
    text = (DOCS / "log-format.md").read_text()

    assert [entry.name for entry in OPTIMIZERS if f"`{entry.name}`" not in text] == []
