"""The commands `mstudy import ...`: logs that other tools wrote, as logs of mstudy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

import_app = typer.Typer(no_args_is_help=True, help="Make logs of what other tools logged; nothing in it is trusted.")

_Source = Annotated[Path, typer.Argument(help="File or folder, searched at any depth.", metavar="SRC")]
_Out = Annotated[Path, typer.Option("--out", help="Folder for the run logs.")]
_Map = Annotated[
    Path | None, typer.Option("--map", help="TOML file that names columns and settings; default: guesses.")
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")]
_SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave bad runs out (exit code 3).")]
_Replace = Annotated[bool, typer.Option("--replace", help="Overwrite logs of an earlier import.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


_COMMANDS = {
    "tensorboard": ("TensorBoard event files; a run is a folder.", "mstudy import tensorboard logs/ --out runs/"),
    "wandb": (
        "histories exported from Weights & Biases, as Parquet, CSV or JSON lines.",
        "mstudy import wandb exports/ --out runs/",
    ),
    "mlflow": ("MLflow's mlflow.db or mlruns/.", "mstudy import mlflow mlflow.db --out runs/"),
    "csv": ("CSV, TSV or JSON lines, wide or long.", "mstudy import csv results.csv --out runs/ --map map.toml"),
    "journal": (
        "the journals that killed runs of a RunLogger left.",
        "mstudy import journal runs/ --out recovered/",
    ),
}


def _add_command(kind: str, what: str, example: str) -> None:
    def command(
        source: _Source,
        out: _Out,
        map_file: _Map = None,
        dry_run: _DryRun = False,
        skip_bad: _SkipBad = False,
        replace: _Replace = False,
        as_json: _Json = False,
    ) -> None:
        from mstudy.importers.mapping import Mapping, load_mapping
        from mstudy.importers.run_import import plan_import, write_plan

        plan = plan_import(kind, source, Mapping() if map_file is None else load_mapping(map_file))
        if not dry_run:
            write_plan(plan, out, skip_bad, replace)
        if as_json:
            print(json.dumps({"schema": 1, "dry_run": dry_run, **plan.as_dict()}))
        else:
            print(plan.as_text())
            print(f"nothing written: --dry-run; without it, to {out}" if dry_run else f"written to {out}")
        if plan.problems:
            raise typer.Exit(3 if skip_bad else 1)

    command.__doc__ = f"Import {what}\n\nExample: {example}"
    import_app.command(kind)(command)


for _kind, (_what, _example) in _COMMANDS.items():
    _add_command(_kind, _what, _example)
