"""A run that is one JSON document: read as data, however large or deep others made it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain, unique_keys
from mstudy.importers.mapping import Mapping
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, Series, SourceRun
from mstudy.importers.tables.content import read_text
from mstudy.importers.tables.find_tables import bare_name, patterns

MAX_DOCUMENT_BYTES = 1 << 28
_WORDS = {"nan": "nan", "infinity": "inf", "-infinity": "-inf", "inf": "inf", "-inf": "-inf"}
Reader = Callable[[dict[str, Any], Path, str, Mapping], SourceRun]


def read_document(path: Path) -> dict[str, Any]:
    """Return the object that a file holds. Raises LogError where it holds none, or is too large."""
    try:
        require_plain(path, MAX_DOCUMENT_BYTES, LogError)
        content = read_text(path).content
        if len(content) > MAX_DOCUMENT_BYTES:
            raise LogError(f"{path} must unpack to at most {MAX_DOCUMENT_BYTES:,} bytes, found {len(content):,}.")
        found = json.loads(content, object_pairs_hook=unique_keys)
    except (OSError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LogError(f"{path} must be a whole JSON document, found otherwise ({reason}).") from None
    if not isinstance(found, dict):
        raise LogError(f"{path} must hold a JSON object, found {type(found).__name__}.")
    return found


def find_documents(root: Path, mapping: Mapping, tool: str, marks: tuple[bytes, ...], read: Reader) -> list[Found]:
    """Return the documents of a tool below a folder, or one. marks: what each of them has in its text.

    Raises LogError where there is none.
    """
    paths = files_below(root, *patterns(".json"))
    runs = []
    for path in paths:
        name = bare_name(path, root)
        own = None if path == root or _has(path, marks) else f"that are no documents of {tool}"
        runs.append(Found(name, partial(_read, read, path, name, mapping), own))
    if not any(run.left_out is None for run in runs):
        raise LogError(f"The source must hold documents of {tool}, found none among {len(paths)} *.json in {root}.")
    return runs


def _has(path: Path, marks: tuple[bytes, ...]) -> bool:
    try:
        content = read_text(path).content
    except LogError:
        return True  # it is told why when its turn comes
    return all(mark in content for mark in marks)


def _read(read: Reader, path: Path, name: str, mapping: Mapping) -> SourceRun:
    return read(read_document(path), path, name, mapping)


def number_of(value: object) -> float | None:
    """Return a number, or a word that stands for one; None of all else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return float(_WORDS[value.strip().lower()])
    return None


def series_of(values: object, steps: object, what: str, path: Path) -> Series:
    """Return a list of numbers at a list of steps, as written; None in the list is no value.

    Raises LogError where they are no such lists.
    """
    if not isinstance(values, list) or not isinstance(steps, list) or len(values) != len(steps):
        raise LogError(f"{what} must be numbers at steps, found lists of other lengths, or none, in {path}.")
    if _are_plain(values) and _are_plain(steps):
        return _plain_series(values, steps, what, path)
    pairs = [(step, number_of(value)) for step, value in zip(steps, values, strict=True) if value is not None]
    wrong = next((pair for pair in pairs if pair[1] is None or not _is_step(pair[0])), None)
    if wrong is not None:
        raise LogError(f"{what} must be numbers at whole steps, found one that is none in {path}.")
    return Series(
        np.array([int(step) for step, _ in pairs], dtype=np.int64),
        np.array([value for _, value in pairs], dtype=np.float64),
    )


def _are_plain(values: list[object]) -> bool:
    """Return whether all are numbers that a float holds as they are, or nearly so."""
    return set(map(type, values)) <= {int, float} and all(abs(v) < 1e300 for v in values if type(v) is int)


def _plain_series(values: list[object], steps: list[object], what: str, path: Path) -> Series:
    at = np.array(steps, dtype=np.float64)
    if not ((np.abs(at) < 2.0**53) & (at == np.floor(at))).all():
        raise LogError(f"{what} must be numbers at whole steps, found one that is none in {path}.")
    return Series(at.astype(np.int64), np.array(values, dtype=np.float64))


def _is_step(step: object) -> bool:
    return isinstance(step, int | float) and not isinstance(step, bool) and abs(step) < 2**53 and step == int(step)
