"""Status words are spelled once, in core/statuses.py: nowhere else are they text that decides something."""

import ast
from enum import StrEnum
from pathlib import Path

import pytest
from mstudy.core import statuses
from mstudy.tables.contracts import TABLES

LIBRARY = Path(__file__).parents[2] / "pipeline" / "mstudy"
ENUMERATIONS = {
    name: each for name, each in vars(statuses).items() if isinstance(each, type) and issubclass(each, StrEnum)
}
del ENUMERATIONS["StrEnum"]
WORDS = {str(word) for enumeration in ENUMERATIONS.values() for word in enumeration}
# Words that mean something else there, and what.
OTHER_MEANINGS = {
    ("models/normalisation.py", "none"): "a network without normalisation",
    ("curvature/tangents/softmax_rules.py", "none"): "a loss that PyTorch does not reduce",
    ("runlog/rules/folder.py", "sgdm"): "a column, the grid of SGDM",
}
MODULES = pytest.mark.parametrize(
    "module", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY))
)
METHODS_THAT_COMPARE = ("is_in", "eq", "ne", "eq_missing", "ne_missing", "index", "count")


def column_names(tree):
    """Nodes that name a column and decide nothing: the argument of col(...) or get(...), and the key of row[...]."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("col", "get"):
            yield from node.args
        elif isinstance(node, ast.Subscript):
            yield node.slice


def name_of(node):
    """The name of a variable or attribute."""
    return getattr(node, "id", getattr(node, "attr", None))


def choosing_mappings(tree):
    """Mappings written as such in which something is looked up by a key that is no constant."""
    by = [node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript) and not is_constant(node.slice)]
    by += [node.func.value for node in ast.walk(tree) if is_call(node, ("get",)) and not is_constant(node.args[0])]
    yield from (value for value in by if isinstance(value, ast.Dict))
    names = {name_of(value) for value in by}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict) and name_of(node.targets[0]) in names:
            yield node.value


def is_constant(node):
    return isinstance(node, ast.Constant)


def is_call(node, methods):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in methods and bool(node.args)


def deciding_nodes(tree):
    """What is compared, matched, looked for in a collection, filtered by, or a key of a mapping that chooses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            yield from [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            yield node.value
        elif is_call(node, METHODS_THAT_COMPARE):
            yield from node.args
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("filter", "remove"):
            yield from (keyword.value for keyword in node.keywords)
    yield from (key for mapping in choosing_mappings(tree) for key in mapping.keys if key is not None)


def deciding_words(text):
    tree = ast.parse(text)
    columns = {id(node) for node in column_names(tree)}
    for part in deciding_nodes(tree):
        yield from (
            node.value
            for node in ast.walk(part)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in columns
        )


@MODULES
def test_no_status_word_decides_as_text(module):
    name = str(module.relative_to(LIBRARY))

    found = set(deciding_words(module.read_text())) & WORDS

    assert {word for word in found if (name, word) not in OTHER_MEANINGS} == set()


def test_no_exception_is_idle():
    assert [
        (name, word) for name, word in OTHER_MEANINGS if word not in deciding_words((LIBRARY / name).read_text())
    ] == []


@pytest.mark.parametrize(
    "text",
    [
        'row["status"] == "parted"',
        'pl.col("status").is_in(["parted", "none"])',
        'pl.col("status") != "parted"',
        'frame.filter(status="parted")',
        'match status:\n    case "parted" | "none":\n        pass',
        'WHY = {"parted": 1}\nWHY[row["status"]]',
        'WHY = {"parted": 1}\nWHY.get(status)',
        '{"parted": 1}[status]',
    ],
)
def test_the_rule_sees_each_way_to_decide_by_text(text):
    assert "parted" in set(deciding_words(text))


@pytest.mark.parametrize("text", ['row["parted"] > 1', 'pl.col("parted") > 1', '{"parted": 1}', 'pl.lit("parted")'])
def test_the_rule_allows_the_name_of_a_column_and_a_text_that_is_shown(text):
    assert set(deciding_words(text)) == set()


@MODULES
def test_a_mapping_that_chooses_by_a_status_has_every_word(module):
    for mapping in choosing_mappings(ast.parse(module.read_text())):
        members = [key for key in mapping.keys if isinstance(key, ast.Attribute) and name_of(key.value) in ENUMERATIONS]
        names = {name_of(member.value): set() for member in members}
        for member in members:
            names[name_of(member.value)].add(member.attr)
        assert names == {name: set(ENUMERATIONS[name].__members__) for name in names}


def test_the_page_gets_the_word_that_it_compares():
    script = (LIBRARY / "report" / "page" / "page.js").read_text()

    words = WORDS - {"sharpening"}  # there the column of the list of runs, no definition
    assert [word for word in words if f'=== "{word}"' in script or f"=== '{word}'" in script] == []


def test_every_meaning_of_a_status_column_names_all_its_words():
    words = {
        ("runs", "status"): statuses.RunStatus,
        ("sharpenings", "status"): statuses.SharpeningStatus,
        ("sharpenings", "stability_status"): statuses.StabilityStatus,
        ("sharpenings", "crossing_status"): statuses.CrossingStatus,
        ("event_verdicts", "definition"): statuses.EventDefinition,
        ("event_verdicts", "verdict"): statuses.Verdict,
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
