"""Results of earlier analyses, by a key of all that decides them.

A damaged file is no file: what is in it is computed again. So is what another user wrote: an index is sealed with a
key of the user's own, which lies apart from all results.
"""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl

from mstudy.core.files import content_digest, write_whole
from mstudy.core.sharding.shard import Shard
from mstudy.tables.code import code_digest

KEY = "key"
_KEY_BYTES = 32
_LIBRARIES = (
    "altair",
    "mstudy",
    "numpy",
    "polars",
    "pyarrow",
    "ruptures",
    "scipy",
    "statsmodels",
    "vl-convert-python",
)
_SHARDS = "shards"


class Cache:
    """Named groups of tables with a column `key`; without a folder nothing is kept.

    `<name>/index.json` gives the digest of each table's file, so that the tables of a group belong together, and a
    seal over all of them, so that nobody else can have written them. shard: several analyses may fill one folder, each
    its own part `shards/3-of-16`; what all of them stored is found by each, and by an analysis without a shard.
    """

    def __init__(self, folder: Path | None = None, shard: Shard | None = None) -> None:
        self._folder = folder
        self._shard = shard

    def takes(self, name: str) -> bool:
        """Return whether what is named so is to be computed here, and not by another shard."""
        return self._shard is None or self._shard.takes(name)

    def load(self, name: str, schemas: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame]:
        """Return the tables that were stored last; all empty where there are none, or not all of them sound."""
        wanted = {table: pl.Schema({KEY: pl.String()} | dict(schema)) for table, schema in schemas.items()}
        groups = [_read_group(group, wanted) for group in self._groups(name)]
        return _joined([group for group in groups if group], wanted)

    def store(self, name: str, frames: Mapping[str, pl.DataFrame]) -> None:
        """Replace what is stored by these tables, which have the column `key`. Raises LogError where that fails."""
        if self._folder is None:
            return
        group = (self._folder / _SHARDS / str(self._shard) if self._shard else self._folder) / name
        contents = {table: _as_bytes(frame) for table, frame in frames.items()}
        index = {table: content_digest(content) for table, content in contents.items()}
        sealed = {"tables": index, "seal": _seal(name, index)}
        for table, content in contents.items():
            write_whole(group / f"{index[table]}.parquet", content, "The analysis's cache")
        write_whole(group / "index.json", json.dumps(sealed, sort_keys=True).encode(), "The analysis's cache")
        for path in group.glob("*.parquet"):
            if path.stem not in index.values():
                path.unlink(missing_ok=True)
        if self._shard is None:
            for part in self._parts(name):
                shutil.rmtree(part, ignore_errors=True)

    def _groups(self, name: str) -> list[Path]:
        return [] if self._folder is None else [self._folder / name, *self._parts(name)]

    def _parts(self, name: str) -> list[Path]:
        return [] if self._folder is None else sorted(self._folder.glob(f"{_SHARDS}/*/{name}"))


def _joined(groups: list[dict[str, pl.DataFrame]], wanted: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame]:
    """Return the rows of all groups; of a key that several have, those of the first: its tables belong together."""
    joined = {table: [schema.to_frame()] for table, schema in wanted.items()}
    seen = pl.Series(KEY, [], dtype=pl.String)
    for group in groups:
        for table, frame in group.items():
            joined[table].append(frame.filter(~pl.col(KEY).is_in(seen.implode())) if len(seen) else frame)
        seen = pl.concat([seen, *(frame[KEY] for frame in group.values())]).unique()
    return {table: pl.concat(frames) for table, frames in joined.items()}


def _as_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.sort(KEY, maintain_order=True).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _read_group(group: Path, schemas: Mapping[str, pl.Schema]) -> dict[str, pl.DataFrame] | None:
    """Return the tables, or None where one is missing or damaged."""
    try:
        sealed = json.loads((group / "index.json").read_text(encoding="utf-8"))
        index = sealed["tables"]
        if not hmac.compare_digest(sealed["seal"], _seal(group.name, index)):
            return None
        return {table: _read(group / f"{index[table]}.parquet", schema) for table, schema in schemas.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pl.exceptions.PolarsError):
        return None


def _read(path: Path, schema: pl.Schema) -> pl.DataFrame:
    content = path.read_bytes()
    if path.stem != content_digest(content):
        raise ValueError(f"{path} is damaged")
    return pl.read_parquet(io.BytesIO(content)).match_to_schema(schema)


def _seal(name: str, index: Mapping[str, str]) -> str:
    text = json.dumps([name, index], sort_keys=True)
    return blake2b(text.encode(), key=_own_key(), digest_size=16).hexdigest()


@lru_cache
def _own_key() -> bytes:
    """Return this user's key. Where none can be kept it is new each time, and nothing is found again."""
    new = os.urandom(_KEY_BYTES)
    try:
        place = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mstudy" / "cache.key"
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(new)
        kept = place.read_bytes()
    except (OSError, RuntimeError):  # no home, or one that is not ours to write
        return new
    return kept if len(kept) == _KEY_BYTES else new


def key_of(stage: str, *parts: Mapping[str, Any]) -> str:
    """Return a key of JSON values, and of the code and the libraries that `stage`, a key of tables.code.CODE, uses."""
    text = json.dumps([_version(stage), *parts], sort_keys=True, default=str)
    return content_digest(text.encode())


@lru_cache
def _version(stage: str) -> str:
    """Return what a result depends on apart from its inputs: the stage's code and the libraries."""
    return json.dumps([code_digest(stage), *(_installed(name) for name in _LIBRARIES)])


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


_PLACE_COLUMN = "path"  # where a file lies changes nothing


def run_keys(stage: str, scanned: pl.DataFrame, params: dict[str, Any]) -> pl.DataFrame:
    """Return run_id and key of each run. scanned: runlog.rules.scanned.SCANNED, with the digest of the file."""
    rows = scanned.drop(_PLACE_COLUMN).iter_rows(named=True)
    keys = [key_of(stage, row, params) for row in rows]
    return scanned.select("run_id", pl.Series(KEY, keys, dtype=pl.String))


def group_keys(stage: str, scanned: pl.DataFrame, by: tuple[str, ...], params: dict[str, Any]) -> pl.DataFrame:
    """Return run_id and key of each run, where the key is that of all runs of its group."""
    runs = scanned.select(*by, "run_id").with_columns(run_keys(stage, scanned, params)[KEY])
    groups = runs.group_by(by, maintain_order=True).agg("run_id", pl.col(KEY).sort())
    keys = [key_of(stage, {"runs": runs}) for runs in groups[KEY].to_list()]
    return groups.select("run_id", pl.Series(KEY, keys, dtype=pl.String)).explode("run_id")


Frames = dict[str, pl.DataFrame]
_DONE_GROUP = "done"  # every key that was computed: one may have no row in any table


def reuse(
    name: str,
    schemas: Mapping[str, pl.Schema],
    keys: Sequence[str],
    compute: Callable[[list[str]], Iterable[Frames]],
    cache: Cache,
) -> Frames:
    """Return the rows of these keys in each table, without the keys; of a shard those that are known by then.

    name: of the step. compute: gives, in parts, the tables of the keys that the cache lacks, with the column `key`.
    """
    wanted = set(keys)
    known = cache.load(name, {_DONE_GROUP: pl.Schema({})} | dict(schemas))
    kept = {table: frame.filter(pl.col(KEY).is_in(wanted)) for table, frame in known.items()}
    done = set(kept[_DONE_GROUP][KEY])
    missing = [key for key in dict.fromkeys(keys) if key not in done and cache.takes(key)]
    parts = list(compute(missing)) if missing else []
    stored = {
        table: pl.concat([kept[table], *(part[table].select(kept[table].columns) for part in parts)])
        for table in schemas
    }
    if missing or len(done) < len(known[_DONE_GROUP]):
        own = [key for key in sorted(done | set(missing)) if cache.takes(key)]
        all_done = pl.DataFrame({KEY: own}, schema={KEY: pl.String()})
        tables = {table: frame.filter(pl.col(KEY).is_in(own)) for table, frame in stored.items()}
        cache.store(name, {_DONE_GROUP: all_done} | tables)
    return {table: frame.drop(KEY) for table, frame in stored.items()}
