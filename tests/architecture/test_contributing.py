"""CONTRIBUTING.md sends nobody to a file that is not there."""

import re
from pathlib import Path

import pytest

from tests.architecture.test_imports import ALLOWED

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "pipeline" / "mstudy"
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
QUOTED = sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))
PATHS = [text for text in QUOTED if re.fullmatch(r"[\w.-]+(/[\w.-]+)*(/|\.\w+)", text)]
WANTS = [row.split("|") for row in re.findall(r"^\| (?:add|log|write) .*$", PAGE, re.MULTILINE)]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_there(path):
    places = [root / path for root in (LIBRARY, ROOT)]

    assert any(place.is_dir() if path.endswith("/") else place.is_file() for place in places)


def test_every_extension_names_what_to_touch():
    kinds = ["claim", "section", "chart", "quantity", "optimizer", "model", "data", "importer", "table", "rule"]
    kinds += ["detector", "parameter", "command"]

    assert all(any(kind in want for _, want, *_ in WANTS) for kind in kinds)
    assert all(any(path in where for path in PATHS) for _, _, where, *_ in WANTS)


@pytest.mark.parametrize("name", ["MEASURES", "UPDATE_RULES", "write_whole", "TRAINING_VERSION", "fuzzed"])
def test_a_name_is_where_the_page_says(name):
    (path,) = re.findall(rf"`{name}` (?:of|in) `([^`]+)`", PAGE)

    assert re.search(
        rf"^(def )?{name}\b", next(p for p in (LIBRARY / path, ROOT / path) if p.is_file()).read_text(), re.M
    )


def test_a_module_that_is_run_is_there():
    modules = re.findall(r"`python -m ([\w.]+)`", PAGE)

    assert len(modules) == 2
    assert all((LIBRARY.parent / f"{module.replace('.', '/')}.py").is_file() for module in modules)


def test_the_imports_are_those_that_are_tested():
    lines = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|$", PAGE.partition("may import |")[2], re.MULTILINE)
    names = [(re.findall(r"`(\w+)(?:/|\.py)`", left), re.findall(r"`(\w+)(?:/|\.py)`", right)) for left, right in lines]

    assert {package: {"core", *may} for left, may in names for package in left} == {
        package: may | {"core"} for package, may in ALLOWED.items() if package != "core"
    }
