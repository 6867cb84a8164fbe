"""One run, of a table that holds no other."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mstudy.core.errors import LogError
from mstudy.importers.mapping import COLUMN_NAMES, TABLE_NAMES, Mapping, choose
from mstudy.importers.row_order import in_order
from mstudy.importers.settings.facts import facts_of
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.settings.names import CONFIG_NAMES, SETTING_NAMES, endings
from mstudy.importers.source_run import Series, Setting, SourceRun
from mstudy.importers.tables.clock import Steps, epoch_column, step_column, steps_of
from mstudy.importers.tables.frame import PLACES, Table, constant, is_numeric, numbers
from mstudy.importers.tables.torn import why_torn
from mstudy.runlog.rules.together.trained_alike import CHANGES_LOSS

_MIN_ROWS = 3  # that show that a column holds one value
_MAX_TOLD = 1000  # columns of a table of which such are looked for


def read_run(
    table: Table, path: Path, name: str, mapping: Mapping, config: dict[str, Setting] | None = None
) -> SourceRun:
    """Return one run of a table. config: settings that lie elsewhere than beside the file.

    Raises LogError where it has no steps, or text for numbers.
    """
    frame, notes, n_torn = table.frame, list(table.notes), table.n_torn
    column = step_column(frame, mapping)
    torn = why_torn(frame, column, path)
    if torn is not None:
        frame, notes, n_torn = frame[:-1], [*notes, torn], n_torn + 1
    metric = choose("metric", mapping.columns, TABLE_NAMES, frame.columns)
    value = choose("value", mapping.columns, TABLE_NAMES, frame.columns)
    is_long = metric is not None and value is not None
    apart = {column, *([metric, value] if is_long else [])}
    settings = {} if config is None else dict(config)
    settings |= settings_beside(path.parent, stem_of(path)) if config is None else {}
    settings |= _constants(frame, apart, mapping)
    steps = steps_of(frame, path, mapping, mapping.steps_per_epoch(name), _implied(settings, name, mapping))
    kept = np.isfinite(steps.steps)
    if not kept.all():
        notes.append(f"{(~kept).sum()} rows without a {steps.column} are left out")
    if is_long:
        raw = _long(frame[str(metric)].cast(pl.String), steps, numbers(frame, str(value), path))
    else:
        raw = _wide(frame, steps, path, mapping, column)
    written = {name: series.steps for name, series in raw.items()}
    n_left_out = n_torn + int((~kept).sum())
    named = None if steps.column == "step" else steps.column
    notes += steps.notes
    return SourceRun(
        name,
        in_order(raw),
        settings,
        notes=tuple(notes),
        written=written,
        clock=steps.clock,
        clock_name=named,
        n_left_out=n_left_out,
    )


def stem_of(path: Path) -> str:
    """Return the file's name up to its form: settings of metrics.csv.gz are in metrics.json."""
    suffixes = path.suffixes[-2:] if path.suffix.lower() in (".gz", ".zst") else path.suffixes[-1:]
    return path.name[: len(path.name) - len("".join(suffixes))]


def _implied(settings: dict[str, Setting], name: str, mapping: Mapping) -> float | None:
    """Return the updates of an epoch by the size of the training set, where the batch size divides it."""
    try:
        facts = facts_of(SourceRun(name, {}, settings), mapping).values
    except LogError:
        return None
    n_train, size = facts.get("n_train"), facts.get("batch_size")
    if isinstance(n_train, int) and isinstance(size, int) and size > 0 and n_train > 0 and n_train % size == 0:
        return float(n_train // size)
    return None


def _long(tags: pl.Series, steps: Steps, values: NDArray[np.float64]) -> dict[str, Series]:
    names, every, kept = tags.drop_nulls().unique(maintain_order=True), tags.to_numpy(), np.isfinite(steps.steps)
    rows = {str(tag): (every == tag) & kept for tag in names}
    return {tag: Series(steps.steps[own].astype(np.int64), values[own]) for tag, own in rows.items()}


def _wide(frame: pl.DataFrame, steps: Steps, path: Path, mapping: Mapping, column: str | None) -> dict[str, Series]:
    measured = _measured(frame, steps.column, mapping)
    values = {name: numbers(frame, name, path) for name in measured}
    loss = choose("loss", mapping.columns, COLUMN_NAMES, measured)
    series = {}
    for name, own in values.items():
        given = np.isfinite(steps.steps) & _given(own, frame[name])
        if name == loss:
            given &= ~_of_another_kind(loss, values)
        series[name] = Series(steps.steps[given].astype(np.int64), own[given])
    return series


def _measured(frame: pl.DataFrame, step: str, mapping: Mapping) -> list[str]:
    """Return the columns that must hold numbers, because the map or their names say so, and others that do."""
    wanted = {metric for name, metric in mapping.columns.items() if name not in TABLE_NAMES}
    settings = {choose(key, mapping.config, CONFIG_NAMES, frame.columns) for key in CONFIG_NAMES}
    wanted |= {column for name in COLUMN_NAMES if (column := _named(name, frame, mapping, settings))}
    others = [column for column in frame.columns if column not in PLACES and (column != step or _is_epoch(frame, step))]
    return [column for column in others if column in wanted or is_numeric(frame, column)]


def _is_epoch(frame: pl.DataFrame, column: str) -> bool:
    return column == epoch_column(frame)


def _named(name: str, frame: pl.DataFrame, mapping: Mapping, settings: set[str | None]) -> str | None:
    """Return the column that will be read as this one of the log; None also for text that is a setting."""
    column = choose(name, mapping.columns, COLUMN_NAMES, frame.columns)
    return None if column in settings and column is not None and not is_numeric(frame, column) else column


def _given(values: NDArray[np.float64], raw: pl.Series) -> NDArray[np.bool_]:
    """Return the rows where something stands; a NaN that was written stays: it may say that the run diverged."""
    if raw.dtype.is_numeric():
        return raw.is_not_null().to_numpy()
    written = raw.cast(pl.String).str.strip_chars().str.to_lowercase() == "nan"
    given: NDArray[np.bool_] = ~np.isnan(values) | written.fill_null(False).to_numpy()
    return given


def _of_another_kind(loss: str, values: dict[str, NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Return the rows whose loss is NaN and that hold what no row with a loss holds: of a validation, for instance."""
    nan, finite = np.isnan(values[loss]), np.isfinite(values[loss])
    other = np.zeros(len(nan), dtype=bool)
    if nan.any() and finite.any():
        for name, own in values.items():
            there = np.isfinite(own)
            if name != loss and not (there & finite).any():
                other |= there
    return nan & other


def _constants(frame: pl.DataFrame, not_these: set[str | None], mapping: Mapping) -> dict[str, Setting]:
    """Return the columns that configure the run: called like a setting, and of one value."""
    others = [column for column in frame.columns if column not in not_these and column not in PLACES]
    known = {name for name in others if set(endings(name)) & (SETTING_NAMES | CHANGES_LOSS)} | set(
        mapping.config.values()
    ) & set(others)
    measured = {choose(name, mapping.columns, COLUMN_NAMES, others) for name in COLUMN_NAMES}
    if len(frame) >= _MIN_ROWS and len(others) <= _MAX_TOLD:  # what nothing here understands is told
        known |= set(others) - measured
    text = {name: constant(frame, name) for name in others if name in known}
    return {
        name: v
        for name, v in text.items()
        if v is not None
        and not (isinstance(v, float) and math.isnan(v))
        and (name not in measured or not is_numeric(frame, name))
    }
