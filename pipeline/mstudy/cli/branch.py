"""`mstudy branch`: runs that sharpen, gone on with otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mstudy.cli import options
from mstudy.core.boundary import exit_interrupted

if TYPE_CHECKING:
    from mstudy.core.engines.engine_params import Engine


def attach(app: typer.Typer) -> None:
    """Give the application the command `branch`."""
    app.command("branch")(branch_cli)


def branch_cli(
    study: options.Study,
    runs: Annotated[Path | None, typer.Option(help="Folder of the study's run logs; default: runs/STUDY.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the logs of the branches; default: RUNS-branches.")
    ] = None,
    analysis: Annotated[
        Path | None, typer.Option(help="Analyze RUNS, and what else lies beside it, into this folder too.")
    ] = None,
    params: options.Params = options.PARAMS,
    store: options.Store = options.STORE,
    workers: options.Workers = None,
    device: options.Device = "auto",
    engine: options.Engine = None,
    address: options.Address = None,
) -> None:
    """Train branches of the runs that sharpen abruptly.

    They go on otherwise from just before that, and from a control time.

    Example: mstudy branch digits-edge
    """
    from mstudy.branch import branch_study
    from mstudy.core.engines.engine_params import chosen
    from mstudy.core.params_file import load
    from mstudy.train.sweep.settled import FOLDER, read_settled
    from mstudy.train.sweep.store import Store

    given = load(params)
    chosen_engine = chosen(given.engine, engine, address)
    source = runs or Path("runs") / study
    target = out or source.with_name(f"{source.name}-branches")
    how, wanted, parameters = given.branches_of(study), given.study(study), given.analysis
    settled = read_settled(params.parent / FOLDER, study, wanted)
    try:
        n, trained = branch_study(
            study, wanted, how, parameters, Store(store), source, target, workers, device, settled, chosen_engine
        )
        if analysis is not None:
            analyze_all(source.parent, analysis, params, workers, chosen_engine)
    except KeyboardInterrupt:
        exit_interrupted(f"interrupted; all work done is kept in {store}, run the same command to go on")
    print(f"{trained} branches trained, all {n} branches of {study} in {target}")


def analyze_all(runs: Path, out: Path, params: Path, workers: int | None, engine: Engine) -> None:
    """Analyze all runs below a folder."""
    from mstudy.analyze import analyze

    analyze(runs, out, params, workers=workers, engine=engine)
