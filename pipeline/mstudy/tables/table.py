"""The class Table; the keys of tables; the names of the output files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from mstudy.core.errors import LogError, shown
from mstudy.core.files import read_result, write_whole

# What a comparison holds fixed: runs are compared within one setting only.
SETTING = ("study", "model", "dataset", "objective")


# The runs whose horizons are shares of the same number of steps.
HORIZON_GROUP = (*SETTING, "batch_size")


# A block: SGD and every SGDM at one batch size and one effective learning rate.
BLOCK = (*SETTING, "batch_size", "eta_ef")


# A cell: the pairs of one block at one momentum, all seeds.
CELL = (*BLOCK, "optimizer", "momentum")


ALL = "all"  # the stratum of all runs, in tables of strata

# A line: the cells that differ in eta_ef alone.
LINE = (*SETTING, "batch_size", "optimizer", "momentum")


@dataclass(frozen=True)
class Column:
    """One column of a table: its type, and what it means in plain words. A number's unit is part of its meaning."""

    type: pl.DataType
    meaning: str


def text(meaning: str) -> Column:
    """Make a column of text."""
    return Column(pl.String(), meaning)


def whole(meaning: str) -> Column:
    """Make a column of whole numbers."""
    return Column(pl.Int64(), meaning)


def real(meaning: str) -> Column:
    """Make a column of real numbers."""
    return Column(pl.Float64(), meaning)


def flag(meaning: str) -> Column:
    """Make a column of truth values."""
    return Column(pl.Boolean(), meaning)


KEY_COLUMNS = {
    "study": text("name of the sweep that the run belongs to; empty: not stated"),
    "model": text("architecture; empty: not stated"),
    "dataset": text("data set; empty: not stated"),
    "objective": text("loss that is minimised; empty: not stated"),
    "batch_size": whole("samples in a mini-batch, b"),
    "eta_ef": real("effective learning rate η_ef = η / (1 − μ)"),
    "optimizer": text("its name as in docs/log-format.md; of a cell or line, that of SGDM"),
    "momentum": real("momentum μ; 0 is plain SGD"),
}


def mean_ratio(interval: str) -> dict[str, Column]:
    """Make the columns of the mean ratio of a cell. interval: what ci_low and ci_high are the ends of."""
    return {
        "log_ratio": real(
            "mean over seeds of log L_SGD / L_SGDM of the final losses, or by compare.scale difference of "
            "(L_SGD − L_SGDM) / loss_unit; above 0 SGDM is better"
        ),
        "ci_low": real(f"lower end of {interval}"),
        "ci_high": real(f"upper end of {interval}"),
    }


# The tests of the mean ratio of a cell, or of a line.
RATIO_TESTS = {
    "equivalence_p": real("two one-sided tests; null hypothesis: |mean| is at least the margin"),
    "superiority_p": real("null hypothesis: the mean is at most the margin"),
    "inferiority_p": real("null hypothesis: the mean is at least minus the margin"),
}
MATCHED = text("exact, or interpolated: SGD's loss at this η_ef is taken between two of its rates")


@dataclass(frozen=True, eq=False)
class Table:
    """The contract of one table: which stage writes it, what a row is, its key, its columns in order."""

    name: str
    stage: str
    row: str
    key: tuple[str, ...]
    columns: dict[str, Column]

    @cached_property
    def schema(self) -> pl.Schema:
        """The columns' types."""
        return pl.Schema({name: column.type for name, column in self.columns.items()})

    def frame(self, rows: list[dict[str, object]]) -> pl.DataFrame:
        """Return rows as a frame of this schema, sorted by the key; absent values are null."""
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
        return self.parse(read_result(path), path)

    def parse(self, content: bytes, path: Path) -> pl.DataFrame:
        """Check and return the table in a file's content; path: for the sentence of an error. Raises LogError."""
        try:
            # Of a path polars would take brackets and stars for a pattern, and read the tables of another folder.
            return pl.read_parquet(io.BytesIO(content)).match_to_schema(self.schema)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
            raise LogError(
                f"{path} must be the table {self.name} of this version of mstudy, found: {shown(str(error))}; run "
                f"`dvc repro` or `mstudy analyze` again."
            ) from None

    def parse_columns(self, content: bytes, path: Path, names: Sequence[str]) -> pl.DataFrame:
        """Return these columns alone: another version may have written the table with others. Raises LogError."""
        wanted = {name: self.schema[name] for name in names}
        try:
            return pl.read_parquet(io.BytesIO(content)).match_to_schema(wanted, extra_columns="ignore")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
            raise LogError(
                f"{path} must be the table {self.name} with {', '.join(names)}, found: {shown(str(error))}; run "
                f"`dvc repro` or `mstudy analyze` again."
            ) from None

    def path(self, folder: Path) -> Path:
        """Return where the table lies in a folder of results."""
        return folder / f"{self.name}.parquet"


def table(name: str, stage: str, row: str, key: tuple[str, ...], own: dict[str, Column]) -> Table:
    """Make a contract. Columns of the key that all tables share come first; `own` gives the others."""
    keys = {column: KEY_COLUMNS[column] for column in key if column in KEY_COLUMNS}
    return Table(name, stage, row, key, keys | own)


RESULTS, CLAIMS, PROBLEMS, METRICS, PAGE = "results", "claims.json", "problems.json", "metrics.json", "index.html"


CACHE = "cache"  # what `mstudy analyze` need not compute again; safe to delete
