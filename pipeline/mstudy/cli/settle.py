"""`mstudy settle`: more seeds where a claim is undecided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mstudy.cli import options
from mstudy.core.boundary import exit_interrupted


def attach(app: typer.Typer) -> None:
    """Give the application the command `settle`."""
    app.command("settle")(settle_cli)


def settle_cli(
    study: options.Study,
    claim: Annotated[
        list[str] | None, typer.Option(help="A claim to settle, as C2; may be repeated. Default: all seeds can settle.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the next look costs; train nothing.")] = False,
    runs: Annotated[Path, typer.Option(help="Folder with one folder of run logs a study.")] = Path("runs"),
    params: options.Params = options.PARAMS,
    store: options.Store = options.STORE,
    workers: options.Workers = None,
    device: options.Device = "auto",
) -> None:
    """Train more seeds, look by look, where claims are undecided.

    They are seeds of the lines that undecided claims rest on, until all are decided.

    The study says at how many seeds it looks (`looks`). What was done is kept in settled/STUDY.json beside the
    parameter file, which `mstudy train` and `dvc repro` read.

    Example: mstudy settle digits --claim C2
    """
    from mstudy.core.params_file import load
    from mstudy.settle.look_by_look import Settling
    from mstudy.train.sweep.settled import FOLDER
    from mstudy.train.sweep.store import Store
    from mstudy.workers.surroundings import available_cores

    given, cores = load(params), workers or available_cores()
    settling = Settling(study, given, Store(store), runs, params.parent / FOLDER, cores, device, print)
    try:
        settling.run(claim or (), dry_run)
    except KeyboardInterrupt:
        exit_interrupted(f"interrupted; all work done is kept in {store}, run the same command to go on")
