"""The commands `mstudy import ...`: logs that other tools wrote, as logs of mstudy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mstudy.importers.kind import Kind
from mstudy.importers.kinds import KINDS

import_app = typer.Typer(no_args_is_help=True, help="Make logs of what other tools logged; nothing in it is trusted.")

_Source = Annotated[Path, typer.Argument(help="File or folder, searched at any depth.", metavar="SRC")]
_Out = Annotated[Path, typer.Option("--out", help="Folder for the run logs.")]
_Map = Annotated[
    Path | None, typer.Option("--map", help="TOML file that names columns and settings; default: guesses.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]
_SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad runs out (exit code 3).")]
_Replace = Annotated[bool, typer.Option("--replace", help="Overwrite logs of an earlier import.")]
_Patterns = Annotated[
    list[str], typer.Option("--pattern", help="A line, with names in braces for its numbers; may be given again.")
]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def _run(
    kind: Kind,
    source: Path,
    out: Path,
    map_file: Path | None,
    dry_run: bool,
    skip_bad: bool,
    replace: bool,
    as_json: bool,
    patterns: tuple[str, ...] = (),
) -> None:
    from dataclasses import replace as with_other

    from mstudy.importers.mapping import Mapping, load_mapping
    from mstudy.importers.run_import import plan_import, write_plan
    from mstudy.output_folder import require_apart

    if not dry_run and source.is_dir():
        require_apart(out, source, ("OUT", "SRC"))
    mapping = Mapping() if map_file is None else load_mapping(map_file)
    plan = plan_import(kind, source, with_other(mapping, patterns=patterns))
    if not dry_run:
        write_plan(plan, out, skip_bad, replace)
    if as_json:
        print(json.dumps({"schema": 1, "dry_run": dry_run, **plan.as_dict()}))
    else:
        print(plan.as_text())
        print(f"nothing written: --dry-run; without it, to {out}" if dry_run else f"written to {out}")
    if plan.problems:
        raise typer.Exit(3 if skip_bad else 1)


def _add_command(kind: Kind) -> None:
    def command(
        source: _Source,
        out: _Out,
        map_file: _Map = None,
        dry_run: _DryRun = False,
        skip_bad: _SkipBad = False,
        replace: _Replace = False,
        as_json: _Json = False,
    ) -> None:
        _run(kind, source, out, map_file, dry_run, skip_bad, replace, as_json)

    def command_with_patterns(
        source: _Source,
        out: _Out,
        pattern: _Patterns,
        map_file: _Map = None,
        dry_run: _DryRun = False,
        skip_bad: _SkipBad = False,
        replace: _Replace = False,
        as_json: _Json = False,
    ) -> None:
        _run(kind, source, out, map_file, dry_run, skip_bad, replace, as_json, tuple(pattern))

    chosen: Callable[..., None] = command_with_patterns if kind.has_pattern else command
    chosen.__doc__ = f"Import {kind.help}\n\nExample: {kind.example}"
    import_app.command(kind.name)(chosen)


for _kind in KINDS:
    _add_command(_kind)
