"""The store of finished runs, addressed by run_id: what is in it is never trained again.

It lies outside the pipeline's outputs, since DVC deletes an output before its stage runs. Files only ever appear
whole, so two sweeps may share a store. Beside the logs, `digests/` holds the SHA-256 of each: a log whose bytes are not
those that were written counts as missing, and its run is trained anew.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mstudy.core.errors import LogError
from mstudy.core.files import patiently, write_whole
from mstudy.train.sweep.log_identity import is_whole_log

DEFAULT_STORE = Path(".mstudy/store")


@dataclass(frozen=True)
class Store:
    """A folder of `<run_id>.parquet`."""

    root: Path

    def path(self, run_id: str) -> Path:
        """Return where the run lies, or would lie."""
        return self.root / f"{run_id}.parquet"

    def __contains__(self, run_id: str) -> bool:
        return self.read(run_id) is not None

    def read(self, run_id: str) -> bytes | None:
        """Return the bytes of a run's log; None where there is none, or where they are not as they were written.

        A log from before digests were kept has none: it is taken where all of it can be read and it names its run.
        """
        content = _bytes_of(self.path(run_id))
        noted = _bytes_of(self._digest_path(run_id))
        if content is None:
            return None
        whole = is_whole_log(content, run_id) if noted is None else noted == _digest(content)
        return content if whole else None

    def damaged(self, run_ids: Iterable[str]) -> list[Path]:
        """Return the logs that are there but not as they were written."""
        return [self.path(run_id) for run_id in run_ids if self.path(run_id).is_file() and run_id not in self]

    def seal(self, run_id: str) -> None:
        """Note the digest of a log that has just been written, or that is taken as it is."""
        write_whole(self._digest_path(run_id), _digest(patiently(self.path(run_id).read_bytes)), "The store")

    def seal_unsealed(self, run_ids: Iterable[str]) -> None:
        """Note the digests of logs from before digests were kept."""
        for run_id in run_ids:
            if not self._digest_path(run_id).exists() and run_id in self:
                self.seal(run_id)

    def create(self) -> None:
        """Make the folder, or raise LogError where that is impossible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LogError(
                f"The store must be a folder that can be written, found at {self.root}: {error.strerror}."
            ) from None

    def _digest_path(self, run_id: str) -> Path:
        return self.root / "digests" / f"{run_id}.sha256"


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _bytes_of(path: Path) -> bytes | None:
    try:
        return patiently(path.read_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LogError(f"The store's files must be readable, found at {path}: {error.strerror}.") from None


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
