"""Cockpit: for each iteration the quantities that were tracked at it; settings in files beside the document."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError
from mstudy.importers.documents.document import find_documents, number_of
from mstudy.importers.mapping import Mapping
from mstudy.importers.settings.files import settings_beside
from mstudy.importers.source_run import Found, SourceRun
from mstudy.importers.tables.run_of_rows import run_of_rows

_NORMS = ("GradNorm", "UpdateSize")  # of each layer: the norm of all is the root of the sum of squares


def find_cockpit(root: Path, mapping: Mapping) -> list[Found]:
    """Return the runs below a folder, or of one document. Raises LogError where there is none."""
    return find_documents(root, mapping, "Cockpit", (b'"0":', b"{"), _read)


def _read(document: dict[str, Any], path: Path, name: str, mapping: Mapping) -> SourceRun:
    rows = [{"step": step} | _plain(row) for step, row in _iterations(document, path)]
    return run_of_rows(rows, path, name, mapping, settings_beside(path.parent))


def _iterations(document: dict[str, Any], path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield iterations and what was tracked at each, in order."""
    wrong = next((key for key, row in document.items() if not _is_iteration(key) or not isinstance(row, dict)), None)
    if wrong is not None or not document:
        found = "nothing" if wrong is None else repr(wrong[:40])
        raise LogError(f"A document of Cockpit must hold an object for each iteration, found {found} in {path}.")
    yield from sorted((int(key), row) for key, row in document.items())


def _is_iteration(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 16


def _plain(row: dict[str, Any]) -> dict[str, float]:
    plain = {}
    for name, value in row.items():
        if name in _NORMS and isinstance(value, list):
            parts = [number_of(part) for part in value]
            value = math.hypot(*(part for part in parts if part is not None)) if None not in parts else None
        number = number_of(value)
        if number is not None:
            plain[name] = number
    return plain
