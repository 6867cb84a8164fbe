"""Write the pages of the reference that are made from the code: `python docs/write_reference.py`.

docs/commands.md is what typer knows of the commands; docs/parameters.md is params.yaml, a row a parameter.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
PARAMS = DOCS.parent / "params.yaml"
_TYPER = ("-m", "typer", "mstudy.cli.app", "utils", "docs", "--name", "mstudy")
_KEY = re.compile(r"^( *)([A-Za-z_][\w-]*):\s*([^#]*?)\s*(?:#\s*(.*))?$")


def commands() -> str:
    """Return the page of the commands."""
    done = subprocess.run([sys.executable, *_TYPER], capture_output=True, text=True, check=True)
    text = done.stdout.replace("# `mstudy`\n\nWhen, and why, momentum makes SGD faster.\n", "", 1)
    head = (
        "# Commands\n\nEvery command, argument and option. This page is written by `python docs/write_reference.py`.\n"
    )
    return head + re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def parameters() -> str:
    """Return the page of the parameters: a table for each section of params.yaml, of the first study for them all."""
    lines = ["# Parameters", "", "Every parameter of `params.yaml`, with the value it is shipped with. This page is "]
    lines[-1] += "written from the file's comments by `python docs/write_reference.py`."
    for section, rows in sections(PARAMS.read_text(encoding="utf-8")).items():
        lines += ["", f"## `{section}`", "", "| parameter | as shipped | meaning |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def sections(text: str) -> dict[str, list[str]]:
    """Return the rows of each section."""
    rows: dict[str, list[str]] = {}
    above: list[str] = []
    studies: dict[str, str] = {}
    for indent, key, value, comment in (found.groups() for found in map(_KEY.match, text.splitlines()) if found):
        above = [*above[: len(indent) // 2], key]
        section, *names = above
        here = rows.setdefault(section, [])
        if section == "studies" and names:
            studies.setdefault(names[0], "STUDY" if not studies else "")
            names = [studies[names[0]], *names[1:]]
        if all(names) and len(names) > (section == "studies") and (value or comment):
            here.append(f"| `{'.'.join(names)}` | {_cell(value)} | {(comment or '').replace('|', chr(92) + '|')} |")
    return rows


def _cell(value: str) -> str:
    return f"`{value}`" if value else ""


PAGES = {"commands.md": commands, "parameters.md": parameters}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
