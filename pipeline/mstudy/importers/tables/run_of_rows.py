"""A run of rows that are mappings, as many tools keep them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mstudy.core.errors import LogError
from mstudy.importers.mapping import Mapping as Map
from mstudy.importers.source_run import Setting, SourceRun
from mstudy.importers.tables.content import Text
from mstudy.importers.tables.json_lines import read_lines
from mstudy.importers.tables.run_of_table import read_run


def run_of_rows(
    rows: Iterable[Mapping[str, Any]], path: Path, name: str, mapping: Map, config: dict[str, Setting]
) -> SourceRun:
    """Return the run. Raises LogError where a row holds what no table does."""
    try:
        lines = [json.dumps(row) for row in rows]
    except (ValueError, TypeError, RecursionError) as error:
        raise LogError(f"The rows of {path} must be plain, found {type(error).__name__} in one.") from None
    if not lines:
        raise LogError(f"{path} must hold at least one row, found none.")
    content = "\n".join([*lines, ""]).encode("utf-8", "surrogatepass")
    return read_run(read_lines(Text(content), path), path, name, mapping, config)
