"""What a stage of an analysis wrote, written again where all that decides it is the same as before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.cache import KEY, Cache, key_of
from mstudy.core.files import content_digest, write_whole

_FILES = "files"
_SCHEMA = pl.Schema({"name": pl.String(), "content": pl.Binary()})


def write_or_remember(
    stage: str, out: Path, inputs: Mapping[str, Any], cache: Cache, write: Callable[[], None]
) -> None:
    """Write to `out` what `write` writes there: the files of an earlier analysis of the same inputs, else call it.

    stage: a key of tables.code.CODE, whose code is an input too, as is each file that lies in `out`. inputs: what else
    decides. `out` must hold nothing but what this analysis wrote.
    """
    before = _files(out)
    key = key_of(stage, {"files": before, **inputs})
    group = f"stage-{stage}"
    known = cache.load(group, {_FILES: _SCHEMA})[_FILES].filter(pl.col(KEY) == key)
    for _, name, content in known.iter_rows():
        write_whole(out / name, content, "The output folder", out)
    if known.is_empty():
        write()
        rows = [(key, name, (out / name).read_bytes()) for name in _files(out) if name not in before]
        cache.store(group, {_FILES: pl.DataFrame(rows, {KEY: pl.String()} | dict(_SCHEMA), orient="row")})


def _files(out: Path) -> dict[str, str]:
    """Return the digest of each file, by its name below `out`."""
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): content_digest(path.read_bytes()) for path in paths}
