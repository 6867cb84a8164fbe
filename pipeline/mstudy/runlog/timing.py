"""Wall-clock facts of training, apart from the logs: they differ from day to day, and the logs' bytes must not."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.runlog.files import write_whole


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
