"""Where the parts of an analysis lie below its folder, and how JSON is written there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mstudy.errors import LogError

RESULTS, CLAIMS, PROBLEMS, METRICS, PAGE = "results", "claims.json", "problems.json", "metrics.json", "index.html"
CACHE = "cache"  # what `mstudy analyze` need not compute again; safe to delete


def write_json(value: Any, path: Path) -> None:
    """Write JSON, all or nothing; NaN is a mistake, not a value."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise LogError(f"The output folder must be writable, found at {path.parent}: {error.strerror}.") from None


def read_json(path: Path) -> Any:
    """Read what an earlier step wrote. Raises LogError where it has not run."""
    if not path.is_file():
        raise LogError(f"{path} must exist, found nothing there; run `dvc repro` or `mstudy analyze` first.")
    return json.loads(path.read_text(encoding="utf-8"))
