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

from mstudy.errors import LogError
from mstudy.runlog.files import write_whole

KEY = "key"
_CODE = (".", "events", "inference", "runlog", "runlog/checks")
_LIBRARIES = ("numpy", "polars", "pyarrow", "ruptures", "scipy")


class Cache:
    """One Parquet file a kind of result, its name the digest of its bytes; without a folder nothing is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def load(self, kind: str, schema: pl.Schema) -> pl.DataFrame:
        """What was stored last, with the column `key`; empty where there is nothing, or nothing sound."""
        for path in self._files(kind):
            frame = _read(path, pl.Schema({KEY: pl.String()} | dict(schema)))
            if frame is not None:
                return frame
        return pl.Schema({KEY: pl.String()} | dict(schema)).to_frame()

    def store(self, kind: str, frame: pl.DataFrame) -> None:
        """Replace what is stored by these rows, which have the column `key`."""
        if self._folder is None:
            return
        buffer = io.BytesIO()
        frame.sort(KEY, maintain_order=True).write_parquet(buffer, compression="zstd")
        content = buffer.getvalue()
        target = self._folder / f"{kind}-{_digest(content)}.parquet"
        if not target.is_file() or target.read_bytes() != content:
            write_whole(target, content, "The analysis's cache")
        for path in self._files(kind):
            if path != target:
                path.unlink(missing_ok=True)

    def _files(self, kind: str) -> list[Path]:
        return [] if self._folder is None else sorted(self._folder.glob(f"{kind}-*.parquet"))


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame | None:
    try:
        content = path.read_bytes()
        if path.stem.rsplit("-", 1)[-1] != _digest(content):
            return None
        return pl.read_parquet(io.BytesIO(content)).match_to_schema(schema)
    except (OSError, LogError, pl.exceptions.PolarsError):
        return None


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
