"""Options and arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Study = Annotated[str, typer.Argument(help="Name of a study in the parameter file.")]
Params = Annotated[Path, typer.Option("--params", help="Parameter file.")]
Store = Annotated[Path, typer.Option(help="Folder of finished runs.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda (each GPU) or cuda:N; auto takes GPUs where there are any.")]
Engine = Annotated[
    str | None, typer.Option("--engine", help="local, ray or slurm; default: as the parameter file says.")
]
Address = Annotated[
    str | None, typer.Option("--address", help="Of a running Ray cluster, as auto or ray://HOST:10001.")
]
PARAMS, STORE = Path("params.yaml"), Path(".mstudy/store")
