"""Who may import whom. A package that is not named here may be imported by the top level only."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "pipeline" / "mstudy"
# A package, and the packages that it may import. Stage packages do not import each other: they speak through files.
ALLOWED = {
    "core": set(),
    "workers": {"core"},
    "output_folder": {"core"},
    "tables": {"core"},
    "cache": {"core", "tables"},
    "remembered": {"core", "tables", "cache"},
    "models": {"core"},
    "curvature": {"core"},
    "data": {"core", "workers"},
    "pairs": {"core", "tables"},
    "runlog": {"core", "tables", "cache", "workers"},
    "train": {"core", "curvature", "data", "models", "runlog", "workers"},
    "probe": {"core", "curvature"},
    "importers": {"core", "runlog"},
    "detect": {"core", "tables", "cache", "workers", "runlog"},
    "compare": {"core", "tables", "cache", "workers", "runlog", "pairs"},
    "estimate": {"core", "tables", "pairs"},
    "report": {"core", "tables", "pairs", "runlog"},
    "explain": {"core", "detect", "report", "runlog"},
    "diff": {"core", "tables", "report"},
    "watch": {"core", "tables", "detect", "report", "runlog"},
    "plan": {"core", "tables", "data", "train"},
}
TOP = {"__init__", "analyze", "branch", "analysis_result", "cli", "judged_claim", "settle"}  # these may import any
# Layers inside a package: a part may import itself and the parts before it.
LAYERS = {
    "runlog": [{"format"}, {"raw"}, {"rules"}, {"reading"}],
    "report": [
        {"charts", "words", "results", "citation", "reproduction"},
        {"sections"},
        {"finding"},
        {"page"},
        {"stage", "pictures"},
    ],
    "train": [{"branching"}, {"configs"}, {"branch_plan"}, {"ensemble"}, {"sweep"}, {"stage"}],
    "estimate": [{"rates", "event_times"}, {"claims"}, {"looks"}, {"stage"}],
}
# Parts of a package that a user's machine, or a GPU node, can import without polars.
LIGHT = [
    "runlog/recording",
    "runlog/format",
    "core",
    "data",
    "models",
    "curvature",
    "train",
    "probe",
]


def imports_of(path):
    """The modules that a file imports, as tuples of names below mstudy; and the other libraries."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield tuple(node.module.split("."))
        elif isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)


def place_of(path):
    """The parts of a file's place below the library: ("runlog", "raw", "log")."""
    return path.relative_to(LIBRARY).with_suffix("").parts


FILES = sorted(LIBRARY.rglob("*.py"))
EDGES = [(path, found[1:]) for path in FILES for found in imports_of(path) if found[0] == "mstudy" and len(found) > 1]


def test_every_package_is_named():
    assert {place_of(path)[0] for path in FILES} == set(ALLOWED) | TOP


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_it_may(package):
    wrong = [
        f"{path.relative_to(LIBRARY)} imports {found[0]}"
        for path, found in EDGES
        if place_of(path)[0] == package and found[0] not in ALLOWED[package] | {package}
    ]

    assert wrong == []


@pytest.mark.parametrize("package", LAYERS)
def test_the_layers_of_a_package_look_one_way(package):
    level = {part: k for k, parts in enumerate(LAYERS[package]) for part in parts}
    wrong = [
        f"{path.relative_to(LIBRARY)} imports {'.'.join(found)}"
        for path, found in EDGES
        if place_of(path)[0] == found[0] == package and len(found) > 1
        if level.get(found[1], -1) > level.get(place_of(path)[1], len(level))
    ]

    assert wrong == []


def test_training_reads_no_logs():
    wrong = {found for path, found in EDGES if place_of(path)[0] == "train" and found[0] == "runlog"}

    assert wrong == {("runlog", "format", "schema"), ("runlog", "format", "writer")}


@pytest.mark.parametrize("part", LIGHT)
def test_logging_and_training_need_neither_polars_nor_tables(part):
    root = LIBRARY / part
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    found = {module for path in files for module in imports_of(path)}

    assert [module for module in found if module[0] == "polars" or module[:2] == ("mstudy", "tables")] == []


def test_no_module_imports_itself_through_others():
    graph = {place_of(path): set() for path in FILES}
    for path, found in EDGES:
        graph[place_of(path)].add(found)
    todo = dict(graph)
    while leaves := [place for place, used in todo.items() if not used & set(todo)]:
        for place in leaves:
            del todo[place]

    assert sorted(todo) == []
