"""Keys of cached results: all that the logs and the parameters say."""

from __future__ import annotations

from typing import Any

import polars as pl

from mstudy.cache import KEY, key_of

_MOVABLE = "path"  # where a file lies changes nothing


def run_keys(scanned: pl.DataFrame, params: dict[str, Any]) -> pl.DataFrame:
    """run_id and key of each run. scanned: runlog.checks.folder.SCANNED, the digest of the file included."""
    rows = scanned.drop(_MOVABLE).iter_rows(named=True)
    keys = [key_of(row, params) for row in rows]
    return scanned.select("run_id", pl.Series(KEY, keys, dtype=pl.String))


def group_keys(scanned: pl.DataFrame, by: tuple[str, ...], params: dict[str, Any]) -> pl.DataFrame:
    """run_id and key of each run, the key being that of all runs of its group."""
    runs = scanned.select(*by, "run_id").with_columns(run_keys(scanned, params)[KEY])
    groups = runs.group_by(by, maintain_order=True).agg("run_id", pl.col(KEY).sort())
    keys = [key_of({"runs": runs}) for runs in groups[KEY].to_list()]
    return groups.select("run_id", pl.Series(KEY, keys, dtype=pl.String)).explode("run_id")
