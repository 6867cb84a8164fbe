"""What a look costs: the runs to train, and their time by what runs of the store took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.train.configs import RunConfig
from mstudy.train.sweep.store import Store


@dataclass(frozen=True)
class Cost:
    """n_runs: to train. seconds: of wall time; None where no run of the store was timed."""

    n_runs: int
    seconds: float | None

    @property
    def text(self) -> str:
        """Runs and time in words."""
        if self.seconds is None:
            return f"{self.n_runs} runs; no run of the store was timed yet, `mstudy plan` measures"
        return f"{self.n_runs} runs, about {self.seconds:.0f} s by what runs of the store took"


def cost_of(runs: Sequence[RunConfig], known: Sequence[RunConfig], store: Store, workers: int) -> Cost:
    """Return the cost of training runs. known: runs of the study that the store has, whose times tell those of others.

    A run takes as long as the mean of those of its batch size, or of all where none of these was timed.
    """
    seconds = _seconds_by_run(store)
    by_size: dict[int, list[float]] = {}
    for run in known:
        if run.run_id in seconds:
            by_size.setdefault(run.batch_size, []).append(seconds[run.run_id])
    every = [value for values in by_size.values() for value in values]
    if not every:
        return Cost(len(runs), None)
    total = sum(mean(by_size.get(run.batch_size, every)) for run in runs)
    return Cost(len(runs), total / workers)


def _seconds_by_run(store: Store) -> dict[str, float]:
    """Return the seconds of each run that was timed; a file that cannot be read tells nothing."""
    found: dict[str, float] = {}
    for path in sorted((store.root / "timing").glob("*.parquet")):
        try:
            table = pq.read_table(path, columns=["run_id", "seconds"])
        except (OSError, pa.ArrowException):
            continue
        found |= dict(zip(table["run_id"].to_pylist(), table["seconds"].to_pylist(), strict=True))
    return found
