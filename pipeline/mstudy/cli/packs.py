"""The commands `mstudy pack` and `mstudy unpack`: many logs in a few Parquet files, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pack_cli(
    runs: Annotated[str, typer.Argument(help="Folder of run logs, searched at any depth.", metavar="RUNS")],
    out: Annotated[Path, typer.Option("--out", help="Folder of packs; logs that it has are not packed again.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
) -> None:
    """Pack logs into Parquet files of some 256 MiB.

    Every command takes the folder of packs as it takes the folder of logs.

    Example: mstudy pack runs/ --out packs/
    """
    from mstudy.core.boundary import exit_interrupted
    from mstudy.output_folder import require_apart
    from mstudy.runlog.packs.pack import pack
    from mstudy.workers.ordered import Workers
    from mstudy.workers.surroundings import available_cores

    require_apart(out, runs, ("PACKS", "RUNS"))
    try:
        with Workers(workers or available_cores()) as processes:
            packed = pack(runs, out, processes)
    except KeyboardInterrupt:
        exit_interrupted("interrupted; run the same command again")
    print(f"{packed.n_new} logs packed into {len(packed.packs)} packs in {out}, {packed.n_before} were there")


def unpack_cli(
    packs: Annotated[str, typer.Argument(help="Folder of packs.", metavar="PACKS")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the logs.")],
) -> None:
    """Write packed logs as files again, with the same bytes.

    Example: mstudy unpack packs/ --out runs/
    """
    from mstudy.core.boundary import exit_interrupted
    from mstudy.output_folder import require_apart
    from mstudy.runlog.packs.unpack import unpack

    require_apart(out, packs, ("OUT", "PACKS"))
    try:
        n_logs = unpack(packs, out)
    except KeyboardInterrupt:
        exit_interrupted("interrupted; run the same command again")
    print(f"{n_logs} logs in {out}")


def attach(app: typer.Typer) -> None:
    """Add both commands to the application."""
    app.command("pack")(pack_cli)
    app.command("unpack")(unpack_cli)
