"""Status words are spelled once, in core/statuses.py: nowhere else are they text that decides something."""

import ast
from enum import StrEnum
from pathlib import Path

import pytest
from mstudy.core import statuses
from mstudy.tables.contracts import TABLES

LIBRARY = Path(__file__).parents[2] / "pipeline" / "mstudy"
ENUMERATIONS = [each for each in vars(statuses).values() if isinstance(each, type) and issubclass(each, StrEnum)]
WORDS = {str(word) for enumeration in ENUMERATIONS if enumeration is not StrEnum for word in enumeration}
# Words that mean something else there: a normalisation and a reduction called "none"; an optimizer's and a side's name.
OTHER_MEANINGS = {
    "models/normalisation.py": {"none"},
    "curvature/tangents/rules.py": {"none"},
    "curvature/tangents/softmax_rules.py": {"none"},
    "report/sections/advantage.py": {"diverged"},
}


def deciding_words(tree):
    """Text constants that are compared, matched, or looked for in a collection."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("is_in", "eq", "ne"):
            parts = node.args
        else:
            continue
        for part in parts:
            yield from (n.value for n in ast.walk(part) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def columns_named(tree):
    """Constants that name a column: the argument of pl.col(...) and the key of row[...]."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("col", "get"):
            yield from (n.value for n in node.args if isinstance(n, ast.Constant))
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            yield node.slice.value


@pytest.mark.parametrize("module", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_no_status_word_decides_as_text(module):
    name = str(module.relative_to(LIBRARY))
    tree = ast.parse(module.read_text())
    found = set(deciding_words(tree)) & WORDS - set(columns_named(tree)) - OTHER_MEANINGS.get(name, set())

    assert found - {"sgd", "sgdm"} == set()  # these two also name optimizers and sides of a table


def test_the_page_gets_the_word_that_it_compares():
    script = (LIBRARY / "report" / "page" / "page.js").read_text()

    assert [word for word in WORDS if f'=== "{word}"' in script or f"=== '{word}'" in script] == []


def test_every_meaning_of_a_status_column_names_all_its_words():
    words = {
        ("runs", "status"): statuses.RunStatus,
        ("sharpenings", "status"): statuses.SharpeningStatus,
        ("sharpenings", "stability_status"): statuses.StabilityStatus,
        ("partings", "status"): statuses.PartingStatus,
        ("thresholds", "status"): statuses.GridStatus,
        ("stability_limits", "status"): statuses.GridStatus,
        ("best", "status"): statuses.BestStatus,
        ("law", "status"): statuses.LawStatus,
        ("placements", "side"): statuses.Side,
        ("power", "verdict"): statuses.Verdict,
    }
    tables = {table.name: table for table in TABLES}

    for (table, column), enumeration in words.items():
        meaning = tables[table].columns[column].meaning
        assert [word for word in enumeration if word not in meaning] == [], (table, column)
