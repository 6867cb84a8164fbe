"""Promises outside the code: what imports what, and what the documents name."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mstudy.cli import app as cli
from mstudy.curvature import activation_derivatives
from mstudy.data.catalogue import ENTRIES
from mstudy.models import activations
from mstudy.models.families import ACTIVATIONS, FAMILIES
from mstudy.tables.contracts import TABLES

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "pipeline" / "mstudy"
HOME = {
    "torch": {"curvature", "models", "train", "probe", "plan"},
    "sklearn": {"data"},
    "PIL": {"data"},
    "ruptures": {"detect"},
    "statsmodels": {"estimate"},
    "altair": {"report", "explain"},
    "rich": {"watch"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize(("heavy", "homes"), HOME.items())
def test_one_heavy_library_a_package(heavy, homes):
    users = {p.relative_to(LIBRARY).parts[0] for p in LIBRARY.rglob("*.py") if heavy in imports_of(p)}

    assert users == homes


def test_training_needs_torch_numpy_pyarrow_and_yaml_alone():
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in 'polars ruptures altair statsmodels scipy typer dvc jinja2'.split():\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import mstudy.train.stage, mstudy.plan.training_cost, mstudy.runlog.format.writer\n"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_the_analysis_never_imports_torch():
    code = "import sys, mstudy.analyze; print('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_packages_import_nothing_by_themselves():
    assert all(len(ast.parse(p.read_text()).body) == 1 for p in LIBRARY.rglob("*/__init__.py"))


def commands_of(app, name="mstudy"):
    """Every command line of an app, those of its sub-apps included: "mstudy train", "mstudy data list"."""
    yield from (f"{name} {command.name}" for command in app.registered_commands)
    for group in app.registered_groups:
        yield from commands_of(group.typer_instance, f"{name} {group.name}")


def test_the_documents_name_every_command_and_table():
    guide, models, tables = ((ROOT / "docs" / name).read_text() for name in ("guide.md", "models.md", "tables.md"))
    commands = list(commands_of(cli.app))

    assert "mstudy data fetch" in commands
    assert [command for command in commands if command not in guide + models] == []
    assert all(f"`{table.name}`" in tables for table in TABLES)


def test_the_models_page_describes_every_data_set():
    page = (ROOT / "docs" / "models.md").read_text()

    for entry in ENTRIES.values():
        shape = " × ".join(map(str, entry.shape))
        assert f"| `{entry.name}` | {entry.samples:,} | {shape} | {entry.licence} |" in page


def test_the_models_page_describes_every_family_of_models():
    section = (ROOT / "docs" / "models.md").read_text().partition("## Models")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `(.*)` \|", section, re.MULTILINE)

    assert described == [family.form for family in FAMILIES]


def test_one_list_of_activations():
    assert tuple(activations.ACTIVATIONS) == tuple(activation_derivatives.ACTIVATIONS) == ACTIVATIONS


def test_every_table_names_its_key_and_row():
    for table in TABLES:
        assert set(table.key) <= set(table.schema.names())
        assert table.row


# What makes, fills or renames a file. Everything else hands its content to `core/files.py`.
WRITES = re.compile(
    r"os\.replace|\.tmp\b|\.write_(text|bytes)\(|write_parquet\((?!content|buffer)|copyfile|open\([^)]*[\"'][wax]"
)
WRITERS = {
    "core/files.py",
    "cache.py",  # makes a key that its owner alone may read
    "importers/databases/sqlite.py",  # copies a database into a folder made for that, which goes with the import
    "data/fetch.py",  # adds to a part, whose name must stay the same for a download to go on
    "runlog/recording/journal_file.py",  # adds rows to a journal
    "train/sweep/under_way.py",  # adds rows to the journals of a sweep
}


def test_files_are_written_in_one_place():
    assert {str(p.relative_to(LIBRARY)) for p in LIBRARY.rglob("*.py") if WRITES.search(p.read_text())} == WRITERS
