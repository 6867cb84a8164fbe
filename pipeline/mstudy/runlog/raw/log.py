"""The rows of one log in memory, read from the bytes of its file (pyarrow)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mstudy.core.losses.scale import Scale, mean_loss
from mstudy.core.quantities import DETECTABLE
from mstudy.runlog.format.schema import DIGEST_KEY, METADATA_KEY

Series = NDArray[np.float64]
# Of a curvature over a run: has it values, and do they differ?
VARIES, CONSTANT, MISSING = "varies", "constant", "missing"


@dataclass(frozen=True)
class Log:
    """Columns of one run, each (n_rows,).

    values: the optional columns that the file has. is_null: of each column; a null is NaN, in `step` 0. origin: the
    step at which training began, as far as the log tells. scale: how its loss will be compared.
    """

    step: NDArray[np.int64]
    loss: Series
    values: dict[str, Series]
    is_null: dict[str, NDArray[np.bool_]]
    diverged: bool = False
    diverged_step: int | None = None
    origin: int = 0
    scale: Scale = Scale.LOG

    @property
    def n_rows(self) -> int:
        """Logged steps."""
        return len(self.step)


def origin_of(step: NDArray[np.int64]) -> int:
    """Return 0, or the first step of a log that begins later than the distance between its rows explains.

    A log with a row every 50 steps may have its first one at step 50 of a training that began at 0.
    """
    first, second = (int(each) for each in step[:2]) if len(step) > 1 else (0, 0)
    return first if first > 0 and first > second - first else 0


def is_late(log: Log) -> NDArray[np.bool_]:
    """Return the rows of the last tenth of what was trained, of which the final loss is made; (n_rows,), at least one
    row.
    """
    late: NDArray[np.bool_] = log.step >= log.origin + 0.9 * (log.step.max() - log.origin)
    return late


def open_file(content: bytes) -> pq.ParquetFile:
    """Return the file, its footer read. Raises pyarrow's errors where it cannot be."""
    return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)


def metadata_text(file: pq.ParquetFile) -> bytes | None:
    """Return the metadata entry of the run, as it stands in the file."""
    return _entry(file, METADATA_KEY)


def stated_digest(file: pq.ParquetFile) -> str | None:
    """Return the digest that a log states of its content, runlog/format/digest.py; None where it states none."""
    entry = _entry(file, DIGEST_KEY)
    return None if entry is None else entry.decode("ascii", "replace")


def _entry(file: pq.ParquetFile, key: str) -> bytes | None:
    entries: dict[bytes, bytes] = file.metadata.metadata or {}
    return entries.get(key.encode())


def read_columns(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    """Return `step` as int64 and the others as float64.

    Raises pyarrow's errors where a value cannot be read as such.
    """
    rows = file.read(columns=list(columns), use_threads=False)
    arrays = [rows.column(name).cast(pa.int64() if name == "step" else pa.float64()) for name in columns]
    return pa.table(dict(zip(columns, arrays, strict=True)))


def labelled_rows(content: bytes, run_id: str, columns: Sequence[str]) -> pa.Table:
    """Return `run_id` and these columns of a file, one row a logged step; a column that it lacks is null."""
    file = open_file(content)
    names = file.schema_arrow.names
    return labelled(read_columns(file, [name for name in columns if name in names]), run_id, columns)


def labelled(rows: pa.Table, run_id: str, columns: Sequence[str]) -> pa.Table:
    """Return `run_id` and these columns of the rows of a log; a column that it lacks is null."""
    absent = pa.nulls(rows.num_rows, pa.float64())
    arrays = {name: rows.column(name) if name in rows.column_names else absent for name in columns}
    return pa.table({"run_id": pa.repeat(pa.scalar(run_id, pa.string()), rows.num_rows)} | arrays)


def as_log(
    table: pa.Table,
    diverged: bool,
    diverged_step: int | None,
    is_branch: bool = False,
    scale: Scale = Scale.LOG,
) -> Log:
    """Return the columns as arrays. table: of `read_columns`, with `step` and `loss`.

    is_branch: it may begin at its step, and is compared with runs that began at 0.
    """
    values = {name: table.column(name) for name in table.column_names}
    step = values.pop("step")
    step = (pc.fill_null(step, 0) if step.null_count else step).to_numpy()
    series = {name: column.to_numpy() for name, column in values.items()}
    is_null = {name: _nulls(table.column(name)) for name in table.column_names}
    origin = 0 if is_branch else origin_of(step)
    return Log(step, series.pop("loss"), series, is_null, diverged, diverged_step, origin, scale)


def _nulls(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    if column.null_count == 0:
        return np.zeros(len(column), dtype=bool)
    nulls: NDArray[np.bool_] = pc.is_null(column).to_numpy()
    return nulls


def final_loss(log: Log) -> float | None:
    """Return the mean of the loss over the last tenth of what was trained: at the edge of stability one value is a
    lottery.

    The mean is geometric where losses are compared by their logarithm, and the loss must be above 0 there. None where
    the run diverged.
    """
    if log.diverged:
        return None
    return mean_loss(log.loss[is_late(log)], log.scale)


def divergence_of(log: Log) -> int | None:
    """Return the step of divergence: as stated, else the first one whose loss is not finite, else the last one."""
    if not log.diverged or log.diverged_step is not None:
        return log.diverged_step
    bad = ~np.isfinite(log.loss)
    return int(log.step[bad.argmax() if bad.any() else -1])


_MIN_ROWS_TO_DIFFER = 3  # rows; runs that diverge at once may agree in fewer


def rows_digest(log: Log) -> str | None:
    """Return what tells the steps and losses of a log from another's.

    None where two runs may well agree in them: a few rows, or a loss that never changes.
    """
    if log.n_rows < _MIN_ROWS_TO_DIFFER or (log.loss == log.loss[0]).all():
        return None
    return blake2b(log.step.tobytes() + log.loss.tobytes(), digest_size=16).hexdigest()


def curvature_state(log: Log, quantity: str) -> str:
    """Return whether a quantity varies, is constant (over three values at least) or is missing."""
    values = log.values.get(quantity, np.empty(0))
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return MISSING
    return CONSTANT if len(values) > 2 and (values == values[0]).all() else VARIES


def other_curvatures(log: Log, quantity: str) -> str:
    """Name the other quantities that `detect.quantity` may name and that have values in the log."""
    others = [name for name in DETECTABLE if name != quantity and curvature_state(log, name) != MISSING]
    return ", ".join(others)
