"""What a step found before is taken from the cache; the rest is computed, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import polars as pl

from mstudy.cache import KEY, Cache

Frames = dict[str, pl.DataFrame]
_DONE = "done"  # every key that was computed: one may have no row in any table


def reuse(
    name: str,
    schemas: Mapping[str, pl.Schema],
    keys: Sequence[str],
    compute: Callable[[list[str]], Iterable[Frames]],
    cache: Cache,
) -> Frames:
    """The rows of these keys in each table, without the keys.

    name: of the step. compute: gives, in parts, the tables of the keys that the cache lacks, with the column `key`.
    """
    wanted = set(keys)
    known = cache.load(name, {_DONE: pl.Schema({})} | dict(schemas))
    kept = {table: frame.filter(pl.col(KEY).is_in(wanted)) for table, frame in known.items()}
    done = set(kept[_DONE][KEY])
    missing = [key for key in dict.fromkeys(keys) if key not in done]
    parts = list(compute(missing)) if missing else []
    found = {
        table: pl.concat([kept[table], *(part[table].select(kept[table].columns) for part in parts)])
        for table in schemas
    }
    if missing or len(done) < len(known[_DONE]):
        all_done = pl.DataFrame({KEY: sorted(done | set(missing))}, schema={KEY: pl.String()})
        cache.store(name, {_DONE: all_done} | found)
    return {table: frame.drop(KEY) for table, frame in found.items()}
