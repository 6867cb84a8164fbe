"""How an analysis was called, so that its page can say by which commands a reader makes it again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

import polars as pl

_DEFAULT_PARAMS = "params.yaml"  # what `mstudy train` reads without --params


@dataclass(frozen=True)
class Call:
    """An analysis as it was called.

    runs, out: as given; out is empty where it is not known. params: the parameter file as given; empty for the
    parameters shipped, None for parameters of no file. skip_bad: files were left out. studies: names of the studies in
    the parameter file. by_dvc: the stages of dvc.yaml did it.
    """

    runs: str = "RUNS"
    out: str = "OUT"
    params: str | None = ""
    skip_bad: bool = False
    studies: Collection[str] = ()
    by_dvc: bool = False


UNKNOWN = Call()  # of a page that is drawn from results alone


def commands_of(call: Call, runs: pl.DataFrame) -> list[str]:
    """Return the commands that make runs and page again, in order. runs: tables.RUNS."""
    if call.by_dvc:
        return ["dvc repro"]
    return [*_training(call, runs), _analysis(call)]


def further_commands(call: Call) -> list[str]:
    """Return the commands that show more of the same analysis."""
    explain = ["mstudy", "explain", "RUN.parquet", *_params(call.params)]
    report = ["mstudy", "report", call.runs, "--out", call.out or "OUT", *_params(call.params), "--format", "svg"]
    return [shlex.join(explain), shlex.join(report)]


def _training(call: Call, runs: pl.DataFrame) -> list[str]:
    """Return the commands that train the runs of the parameter file's studies, and their branches."""
    trained = runs.filter(pl.col("study").is_in(list(call.studies)))
    return [
        shlex.join(["mstudy", command, study, *_own_folder(call, command, study, rows), *_unless_default(call.params)])
        for command, rows_of in (
            ("train", trained.filter(pl.col("branch_of").is_null())),
            ("branch", trained.filter(pl.col("branch_of").is_not_null())),
        )
        for (study,), rows in sorted(rows_of.partition_by("study", as_dict=True).items())
    ]


def _own_folder(call: Call, command: str, study: str, runs: pl.DataFrame) -> list[str]:
    """Return --out with the folder of these runs; nothing where it is the command's default, or not one folder."""
    if "://" in call.runs:
        return []
    folders = {os.path.normpath(PurePosixPath(call.runs) / PurePosixPath(path).parent) for path in runs["path"]}
    default = {"train": f"runs/{study}", "branch": f"runs/{study}-branches"}[command]
    return [] if len(folders) != 1 or folders == {default} else ["--out", *folders]


def _analysis(call: Call) -> str:
    """Return the command of the analysis, or the call from Python where its parameters are of no file."""
    if call.params is None:
        more = ", skip_bad=True" if call.skip_bad else ""
        return f"mstudy.analyze({call.runs!r}, out, parameters{more})  # in Python, the parameters as listed here"
    skipping = ["--skip-bad"] if call.skip_bad else []
    return shlex.join(["mstudy", "analyze", call.runs, "--out", call.out or "OUT", *_params(call.params), *skipping])


def _params(path: str | None) -> list[str]:
    return ["--params", path] if path else []


def _unless_default(path: str | None) -> list[str]:
    return [] if path == _DEFAULT_PARAMS else _params(path)
