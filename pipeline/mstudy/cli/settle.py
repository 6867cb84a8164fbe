"""`mstudy settle`: more seeds where a claim is undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mstudy.core.boundary import exit_interrupted


def attach(app: typer.Typer) -> None:
    """Give the application the command `settle`."""
    app.command("settle")(settle_cli)


def settle_cli(
    study: Annotated[str, typer.Argument(help="Name of a study in the parameter file.")],
    claim: Annotated[
        list[str] | None, typer.Option(help="A claim to settle, as C2; may be repeated. Default: all seeds can settle.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the next look costs; train nothing.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder with one folder of run logs a study.")] = Path("runs"),
    params: Annotated[Path, typer.Option("--params", help="Parameter file.")] = Path("params.yaml"),
    store: Annotated[Path, typer.Option(help="Folder of finished runs.")] = Path(".mstudy/store"),
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or cuda:N; auto takes a GPU where there is one.")
    ] = "auto",
) -> None:
    """Train more seeds for the lines that undecided claims rest on, look by look, until all are decided.

    The study says at how many seeds it looks (`looks`). What was done is kept in settled/STUDY.json beside the
    parameter file, which `mstudy train` and `dvc repro` read.

    Example: mstudy settle digits --claim C2
    """
    from mstudy.core.params_file import load
    from mstudy.settle.look_by_look import Settling
    from mstudy.train.sweep.settled import FOLDER
    from mstudy.train.sweep.store import Store
    from mstudy.workers import available_cores

    given, cores = load(params), workers or available_cores()
    settling = Settling(study, given, Store(store), runs, params.parent / FOLDER, cores, device, print)
    try:
        settling.run(claim or (), dry_run)
    except KeyboardInterrupt:
        exit_interrupted(f"interrupted; all work done is kept in {store}, run the same command to go on")
