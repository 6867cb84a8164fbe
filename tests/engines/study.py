"""Forty runs, each an ensemble of its own."""

from mstudy.core.params import Grid, Study
from mstudy.train import stage as sweep
from mstudy.train.sweep.job import Task

STUDY = Study(
    n_train=64,
    model="mlp-tanh-8",
    batch_sizes=(16,),
    eta_ef=Grid(0.05, 0.2, 10),
    momenta=(0.0, 0.9),
    seeds=2,
    steps=30,
    width=1,
)


def forty_tasks():
    tasks = [Task([run], STUDY.dataset, checkpoint_seconds=0.2) for run in sweep.study_runs("s", STUDY)]
    assert len(tasks) == 40
    return tasks


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def runs_timed(folder):
    """The run of each row that says how long a run took: a run that was trained twice has two."""
    import pyarrow.parquet as pq

    files = (folder / "timing").iterdir()
    return sorted(run for path in files for run in pq.read_table(path)["run_id"].to_pylist())


def assert_none_twice(timed, lost):
    """No run was trained twice. lost: processes killed, each perhaps just before it noted the time of its last run."""
    assert len(timed) == len(set(timed)) >= 40 - lost
