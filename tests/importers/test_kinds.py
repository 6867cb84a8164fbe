"""The list of tools: each is a command, and says what it imports."""

import subprocess
import sys

import pytest
from mstudy.cli.imports import import_app
from mstudy.importers.kinds import KINDS


def test_each_tool_is_a_command():
    assert [command.name for command in import_app.registered_commands] == [kind.name for kind in KINDS]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_tool_says_what_it_imports_and_how(kind):
    assert kind.help.endswith(".")
    assert kind.example.startswith(f"mstudy import {kind.name} ")


def test_the_list_of_tools_needs_no_library():
    code = "import sys, mstudy.importers.kinds; print([m for m in ('numpy', 'polars', 'pyarrow') if m in sys.modules])"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
