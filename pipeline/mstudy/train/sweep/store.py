"""The store of finished runs, addressed by run_id: what is in it is never trained again.

It lies outside the pipeline's outputs, since DVC deletes an output before its stage runs. Files only ever appear
whole, so two sweeps may share a store.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.errors import LogError
from mstudy.core.files import write_whole

DEFAULT_STORE = Path(".mstudy/store")


@dataclass(frozen=True)
class Store:
    """A folder of `<run_id>.parquet`."""

    root: Path

    def path(self, run_id: str) -> Path:
        """Return where the run lies, or would lie."""
        return self.root / f"{run_id}.parquet"

    def __contains__(self, run_id: str) -> bool:
        return self.path(run_id).is_file()

    def create(self) -> None:
        """Make the folder, or raise LogError where that is impossible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(
                f"The store must be a folder that can be written, found at {self.root}: {error.strerror}."
            ) from None

    def materialise(self, run_ids: Iterable[str], runs: Path) -> None:
        """Make `runs` hold exactly these runs, as copies: a pipeline may delete or lock its outputs, never the store.

        Only files of the form `*.parquet` directly in `runs` are touched.
        """
        wanted = {f"{run_id}.parquet": self.path(run_id) for run_id in run_ids}
        try:
            runs.mkdir(parents=True, exist_ok=True)
            for stale in {p.name for p in runs.glob("*.parquet")} - set(wanted):
                (runs / stale).unlink()
            for name, source in wanted.items():
                write_whole(runs / name, source.read_bytes(), "The runs folder", runs)
        except OSError as error:
            raise LogError(f"The runs folder must be writable, found at {runs}: {error.strerror}.") from None


def append_timing(store: Path, run_ids: Sequence[str], seconds: float) -> None:
    """Note that these runs took `seconds` together: one small file in `<store>/timing/`, one row a run."""
    table = pa.table(
        {
            "run_id": list(run_ids),
            "seconds": [seconds / len(run_ids)] * len(run_ids),
            "finished_at": [time.time()] * len(run_ids),
            "host": [platform.node()] * len(run_ids),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    target = store / "timing" / f"{run_ids[0]}-{os.getpid()}-{time.monotonic_ns()}.parquet"
    write_whole(target, memoryview(sink.getvalue()), "The store's timing")
