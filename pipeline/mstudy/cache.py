"""Results of earlier analyses, by a key of all that decides them.

A damaged file is no file: what is in it is computed again. Whoever can write here can write the results as well.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.runlog.files import write_whole

KEY = "key"
_CODE = (".", "events", "inference", "runlog", "runlog/checks")
_LIBRARIES = ("numpy", "polars", "pyarrow", "ruptures", "scipy")


class Cache:
    """Named groups of tables with a column `key`; without a folder nothing is kept.

    `<name>/index.json` gives the digest of each table's file, so that the tables of a group belong together.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def load(self, name: str, schemas: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame]:
        """The tables that were stored last; all empty where there are none, or not all of them sound."""
        wanted = {table: pl.Schema({KEY: pl.String()} | dict(schema)) for table, schema in schemas.items()}
        found = None if self._folder is None else _read_group(self._folder / name, wanted)
        return found or {table: schema.to_frame() for table, schema in wanted.items()}

    def store(self, name: str, frames: Mapping[str, pl.DataFrame]) -> None:
        """Replace what is stored by these tables, which have the column `key`. Raises LogError where that fails."""
        if self._folder is None:
            return
        group = self._folder / name
        contents = {table: _as_bytes(frame) for table, frame in frames.items()}
        index = {table: _digest(content) for table, content in contents.items()}
        for table, content in contents.items():
            write_whole(group / f"{index[table]}.parquet", content, "The analysis's cache")
        write_whole(group / "index.json", json.dumps(index, sort_keys=True).encode(), "The analysis's cache")
        for path in group.glob("*.parquet"):
            if path.stem not in index.values():
                path.unlink(missing_ok=True)


def _as_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.sort(KEY, maintain_order=True).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _read_group(group: Path, schemas: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame] | None:
    """The tables, or None where one is missing or damaged."""
    try:
        index = json.loads((group / "index.json").read_text(encoding="utf-8"))
        return {table: _read(group / f"{index[table]}.parquet", schema) for table, schema in schemas.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pl.exceptions.PolarsError):
        return None


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    content = path.read_bytes()
    if path.stem != _digest(content):
        raise ValueError(f"{path} is damaged")
    return pl.read_parquet(io.BytesIO(content)).match_to_schema(schema)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def key_of(*parts: Mapping[str, Any]) -> str:
    """A key of JSON values, of the code of the analysis and of the libraries that it computes with."""
    text = json.dumps([_version(), *parts], sort_keys=True, default=str)
    return _digest(text.encode())


@lru_cache(maxsize=1)
def _version() -> str:
    """A digest of the modules that an event or a parting may depend on: nobody has to remember to raise a number."""
    here = Path(__file__).parent
    digest = blake2b(digest_size=16)
    for folder in _CODE:
        for path in sorted((here / folder).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    digest.update(json.dumps([_installed(name) for name in _LIBRARIES]).encode())
    return digest.hexdigest()


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
