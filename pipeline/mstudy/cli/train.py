"""The command `mstudy train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mstudy.cli import options
from mstudy.core.boundary import exit_interrupted

Shares = Annotated[
    str | None, typer.Option("--shard", help="K/N: one of N shares, done side by side on machines with one folder.")
]


def train_cli(
    study: options.Study,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the run logs; default: runs/STUDY.")] = None,
    params: options.Params = options.PARAMS,
    store: options.Store = options.STORE,
    workers: options.Workers = None,
    device: options.Device = "auto",
    shard: Shares = None,
    engine: options.Engine = None,
    address: options.Address = None,
) -> None:
    """Train the runs of a study that the store lacks. With --shard: a share of them, copied by a last call without it.

    --engine ray trains on a Ray cluster, --engine slurm by arrays of jobs, both with a store that all nodes share. What
    they need stands under `engine` in the parameter file.

    Example: mstudy train digits
    """
    from mstudy.core.engines.engine_params import chosen
    from mstudy.core.params_file import load
    from mstudy.core.sharding.shard import parse_shard
    from mstudy.train.stage import train_shard, train_study
    from mstudy.train.sweep.settled import FOLDER, read_settled
    from mstudy.train.sweep.store import Store

    given = load(params)
    runs, wanted, how = out or Path("runs") / study, given.study(study), chosen(given.engine, engine, address)
    share = None if shard is None else parse_shard(shard)
    settled = read_settled(params.parent / FOLDER, study, wanted)
    try:
        if share is not None:
            trained = train_shard(study, wanted, Store(store), share, workers, device, settled, how)
            print(f"{trained} runs trained, the share {shard} of {study} in {store}; `mstudy train {study}` copies all")
            return
        trained = train_study(study, wanted, Store(store), runs, workers, device, settled, how)
    except KeyboardInterrupt:
        exit_interrupted(f"interrupted; all work done is kept in {store}, run the same command to go on")
    print(f"{trained} runs trained, all runs of {study} in {runs}")


def attach(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("train")(train_cli)
