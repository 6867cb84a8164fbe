"""The command `mstudy watch`: runs under way, in a terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def watch_cli(
    runs: Annotated[
        Path, typer.Argument(help="Folder in which runs are logged, or the store of a sweep.", metavar="RUNS")
    ],
    once: Annotated[bool, typer.Option("--once", help="Print one table, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: one JSON object on stdout.")] = False,
    page: Annotated[
        Path | None, typer.Option("--page", help="Folder in which to keep live.html current, a page with the curves.")
    ] = None,
    silent_after: Annotated[
        float, typer.Option(min=0, help="Seconds after which a run that does not write is told as silent.")
    ] = 60.0,
    params: Annotated[Path | None, typer.Option("--params", help="Parameter file; default: as shipped.")] = None,
) -> None:
    """Show the runs that are under way, every two seconds, until Ctrl-C.

    Of each run: step, loss, curvature over its stability line, time left where the log says how many `steps` are
    planned, and when it sharpened, diverged, ended or fell silent. Where the output is no terminal, a line is printed
    for each such event. A run that writes rarely is silent after five times its longest pause. --page needs no server:
    open PAGE/live.html as a file.

    Example: mstudy watch runs/, or, while `mstudy train` runs: mstudy watch .mstudy/store
    """
    if as_json and not once:
        raise typer.BadParameter("--json needs --once")
    from mstudy.core.params import Analysis
    from mstudy.core.params_file import load
    from mstudy.output_folder import require_apart
    from mstudy.watch.lines import as_dict
    from mstudy.watch.watching import Watch, keep_watching, look_once, print_look, writer_of_page

    if page is not None:
        require_apart(page, runs, ("PAGE", "RUNS"))
    detect = (Analysis() if params is None else load(params).analysis).detect
    write_page = writer_of_page(page, runs, detect, unhurried=not once)
    if not once:
        try:
            keep_watching(Watch(runs, detect, silent_after), runs, write_page)
        except KeyboardInterrupt:
            raise typer.Exit from None
    look = look_once(runs, detect, silent_after)
    write_page(look)
    if as_json:
        print(json.dumps({"schema": 1, "n_finished": look.n_finished, "runs": [as_dict(line) for line in look.lines]}))
        return
    print_look(look, runs)


def attach(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("watch")(watch_cli)
