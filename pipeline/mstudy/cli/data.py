"""The commands `mstudy data ...`: what data sets there are, where they lie, and fetching them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mstudy.data.catalogue import Entry

data_app = typer.Typer(no_args_is_help=True, help="Data sets: what there is, where it lies, fetching it.")


@data_app.command("list")
def list_cli(as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False) -> None:
    """List the data sets: training samples, shape of one, licence, and where the files lie.

    Example: mstudy data list
    """
    from mstudy.data.catalogue import ENTRIES

    rows = [_row(entry) for entry in ENTRIES.values()]
    if as_json:
        print(json.dumps({"schema": 1, "datasets": rows}))
        return
    for row in rows:
        _print_row(row, ENTRIES[row["name"]].origin)


@data_app.command("path")
def path_cli(
    name: Annotated[str | None, typer.Argument(help="A data set; default: the folder of all.", metavar="NAME")] = None,
) -> None:
    """Print the folder where the files of a data set lie, or belong.

    Example: mstudy data path fashion-mnist
    """
    from mstudy.core.errors import DataError
    from mstudy.data.catalogue import entry_of
    from mstudy.data.places import data_root, locate, own_folder

    if name is None:
        print(data_root())
        return
    entry = entry_of(name)
    if not entry.layouts:
        raise DataError(f"NAME must be a data set with files, found {name}, which {entry.origin}.")
    files = locate(entry)
    print(files[0].parent if files else own_folder(entry))


@data_app.command("fetch")
def fetch_cli(name: Annotated[str, typer.Argument(help="A data set; see `mstudy data list`.", metavar="NAME")]) -> None:
    """Download the files of a data set and check them; a download that was cut goes on where it ended.

    Example: mstudy data fetch fashion-mnist
    """
    from mstudy.core.boundary import exit_interrupted
    from mstudy.data.catalogue import entry_of
    from mstudy.data.fetch import fetch_dataset
    from mstudy.data.places import own_folder

    entry = entry_of(name)
    if not entry.remotes:
        print(f"{name}: nothing to fetch, it {entry.origin}")
        return
    try:
        folder = fetch_dataset(entry)
    except KeyboardInterrupt:
        kept = own_folder(entry)
        exit_interrupted(f"interrupted; what arrived is kept in {kept}, run the same command to go on")
    print(f"{name}: in {folder}, checked")


def _row(entry: Entry) -> dict[str, Any]:
    from importlib.util import find_spec

    from mstudy.data.places import locate

    files = locate(entry)
    return {
        "name": entry.name,
        "samples": entry.samples,
        "shape": list(entry.shape),
        "licence": entry.licence,
        "present": files is not None if entry.layouts else not entry.module or find_spec(entry.module) is not None,
        "folder": None if files is None else str(files[0].parent),
    }


def _print_row(row: dict[str, Any], origin: str) -> None:
    what = f"{row['samples']:>6,} x ({' x '.join(map(str, row['shape']))})"
    where = origin or row["folder"] or f"not here: mstudy data fetch {row['name']}"
    print(f"{row['name']:<16} {what:<23} {row['licence']:<13} {where}")
