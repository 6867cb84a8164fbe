"""The class Table; the keys of tables; the names of the output files."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mstudy.core.errors import LogError
from mstudy.core.files import write_whole

# What a comparison holds fixed: runs are compared within one setting only.
SETTING = ("study", "model", "dataset", "objective")


# The runs whose horizons are shares of the same number of steps.
HORIZON_GROUP = (*SETTING, "batch_size")


# A block: SGD and every SGDM at one batch size and one effective learning rate.
BLOCK = (*SETTING, "batch_size", "eta_ef")


# A cell: the pairs of one block at one momentum, all seeds.
CELL = (*BLOCK, "optimizer", "momentum")


# A line: the cells that differ in eta_ef alone.
LINE = (*SETTING, "batch_size", "optimizer", "momentum")


_KEY_TYPES: dict[str, pl.DataType] = {
    "study": pl.String(),
    "model": pl.String(),
    "dataset": pl.String(),
    "objective": pl.String(),
    "batch_size": pl.Int64(),
    "eta_ef": pl.Float64(),
    "optimizer": pl.String(),
    "momentum": pl.Float64(),
}


_TEXT, _INT, _REAL = pl.String(), pl.Int64(), pl.Float64()


@dataclass(frozen=True)
class Table:
    """The contract of one table."""

    name: str
    row: str
    key: tuple[str, ...]
    schema: pl.Schema

    def frame(self, rows: list[dict[str, object]]) -> pl.DataFrame:
        """Rows as a frame of this schema, sorted by the key; absent values are null."""
        return pl.DataFrame(rows, schema=self.schema, orient="row").sort(self.key)

    def write(self, frame: pl.DataFrame, folder: Path) -> None:
        """Check and write, all or nothing."""
        checked = frame.select(self.schema.names()).match_to_schema(self.schema).sort(self.key)
        if checked.select(self.key).is_duplicated().any():
            raise AssertionError(f"the key {self.key} of {self.name} must be unique")
        content = io.BytesIO()
        checked.write_parquet(content, compression="zstd")
        write_whole(self.path(folder), content.getvalue(), "The output folder", folder)

    def read(self, folder: Path) -> pl.DataFrame:
        """Read and check. Raises LogError where an earlier stage has not been run."""
        path = self.path(folder)
        if not path.is_file():
            raise LogError(f"{path} must exist, found nothing there; run `dvc repro` or `mstudy analyze` first.")
        return pl.read_parquet(path).match_to_schema(self.schema)

    def path(self, folder: Path) -> Path:
        """Where the table lies in a folder of results."""
        return folder / f"{self.name}.parquet"


def _table(name: str, row: str, key: tuple[str, ...], own: dict[str, pl.DataType]) -> Table:
    keys = {column: _KEY_TYPES[column] for column in key if column in _KEY_TYPES}
    return Table(name, row, key, pl.Schema(keys | own))


RESULTS, CLAIMS, PROBLEMS, METRICS, PAGE = "results", "claims.json", "problems.json", "metrics.json", "index.html"


CACHE = "cache"  # what `mstudy analyze` need not compute again; safe to delete
