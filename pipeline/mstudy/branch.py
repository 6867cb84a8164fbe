"""`mstudy branch`: find when the runs of a study sharpen, and train the branches that leave them before that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mstudy.core.engines.engine_params import HERE, Engine
from mstudy.core.errors import LogError
from mstudy.core.optimizers import SGD
from mstudy.core.params import Analysis, Branches, Detect, Study
from mstudy.core.statuses import SharpeningStatus
from mstudy.detect.stage import search_runs
from mstudy.runlog.reading.reader import RunFolder, read_runs
from mstudy.train.branch_plan import Window, check_branches, plan_branches, window_before
from mstudy.train.configs import RunConfig
from mstudy.train.stage import study_runs, train_into
from mstudy.train.sweep.settled import NOT_SETTLED, Settled
from mstudy.train.sweep.store import Store
from mstudy.workers.engine import workers_of


def branch_study(
    name: str,
    study: Study,
    how: Branches,
    analysis: Analysis,
    store: Store,
    runs: Path,
    out: Path,
    workers: int | None,
    device: str = "auto",
    settled: Settled = NOT_SETTLED,
    engine: Engine = HERE,
) -> tuple[int, int]:
    """Train the branches of a study's runs that the store lacks; copy all of them to the folder `out`.

    runs: the folder to which `mstudy train` copied the study's runs. settled: the record of its further seeds.
    Return how many branches there are, and how many were trained. Raises ConfigError for a study whose runs cannot
    branch, LogError where `runs` lacks one of them.
    """
    check_branches(name, study, how)
    planned = study_runs(name, study, settled)
    windows = windows_of(planned, read_own(runs, planned, analysis), analysis.detect, how, workers, engine)
    branches = plan_branches(planned, windows, how, study)
    trained = train_into(name, branches, study, store, out, workers, device, engine)
    return len(branches), trained


def read_own(runs: Path, planned: Sequence[RunConfig], analysis: Analysis) -> RunFolder:
    """Return the SGD runs of the study, read from the folder. Raises LogError where one is missing."""
    own = (run for run in planned if run.branching is None and run.twin is None)
    wanted = [run.run_id for run in own if run.optimizer == SGD]
    folder = read_runs(runs, reading=analysis.reading)
    missing = set(wanted) - set(folder.scanned["run_id"])
    if missing:
        raise LogError(
            f"The runs folder must hold the SGD runs of the study as it is in the parameter file, found "
            f"{len(missing)} of {len(wanted)} missing in {runs}; train them first (`mstudy train`)."
        )
    return folder.part(wanted)


def windows_of(
    planned: Sequence[RunConfig],
    folder: RunFolder,
    detect: Detect,
    how: Branches,
    workers: int | None,
    engine: Engine = HERE,
) -> dict[str, Window]:
    """Return where the branches of each run that sharpens abruptly begin; none for a run without room for them."""
    with workers_of(engine, workers) as crew:
        sharpenings = search_runs(folder, detect, crew)
    detected = sharpenings.filter(pl.col("status") == SharpeningStatus.DETECTED)
    onsets = dict(detected.select("run_id", pl.coalesce("onset", "step")).iter_rows())
    rows = folder.series(list(onsets), ["step", detect.quantity]).drop_nulls().group_by("run_id").agg("step")
    logged = dict(rows.iter_rows())
    n_steps = {run.run_id: run.steps for run in planned}
    found = {
        run_id: window_before(pl.Series(logged[run_id]).to_numpy(), onset, n_steps[run_id], how)
        for run_id, onset in onsets.items()
    }
    return {run_id: window for run_id, window in found.items() if window is not None}
