"""The command `mstudy diff`: two analyses, compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

_CHANGED = 4  # exit code


def diff_cli(
    out_a: Annotated[Path, typer.Argument(help="Folder of a finished analysis.", metavar="OUT_A")],
    out_b: Annotated[Path, typer.Argument(help="Folder of another one.", metavar="OUT_B")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Tell which verdicts, thresholds, sharpenings and partings changed beyond their intervals, and what may be why.

    A number has changed where in each analysis it lies outside the interval that it has in the other. Beside the
    changes stands what differs in what they were made of: parameters, runs, code.

    Exit code 0 where nothing has changed, 4 where anything has.

    Example: mstudy diff before/ after/
    """
    from mstudy.core.errors import printable
    from mstudy.diff.difference import diff

    found = diff(out_a, out_b)
    if as_json:
        print(json.dumps(found.as_dict()))
    else:
        print("\n".join(printable(line) for line in found.as_text().splitlines()))
    if found.has_changes:
        raise typer.Exit(_CHANGED)


def attach(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("diff")(diff_cli)
