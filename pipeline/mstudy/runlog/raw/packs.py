"""A folder of packs, read as the folder of logs that was packed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from mstudy.core.errors import LogError, shown
from mstudy.core.files import content_digest
from mstudy.runlog.raw.listing import MANIFESTS, SUFFIX, Listing
from mstudy.runlog.raw.pack_index import INDICES, MARK, MAX_INDEX_BYTES, PACKS, Place, pack_of, read_index
from mstudy.runlog.raw.read_file import MAX_BYTES, TooLargeError
from mstudy.runlog.raw.source import Source

_MAGIC = b"PAR1"
_MANIFEST = MANIFESTS[1]  # what a manifest said of the logs is given back as JSON


@dataclass(frozen=True)
class PackSource(Source):
    """The logs in a folder of packs. indices: the names of all indices, by which what is read of them is kept."""

    indices: tuple[str, ...]

    def list_files(self) -> Listing:
        """Return the paths of the logs, and a manifest where the logs had one. Raises LogError for damaged packs."""
        places = places_of(self)
        names = [*places, *([_MANIFEST] if any(place.listed for place in places.values()) else [])]
        return Listing(sorted(names))

    def read(self, name: str, n_bytes: int | None = None, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a log, or its first bytes. Raises OSError where it is not as it was packed."""
        places = places_of(self)
        if name == _MANIFEST and name not in places:
            return _manifest(places)[:n_bytes]
        if name not in places:
            raise FileNotFoundError(f"no log of that name in {self.root}")
        place = places[name]
        if n_bytes is None and place.n_bytes > max_bytes:
            raise TooLargeError(f"at most {max_bytes:,} bytes are read, found {place.n_bytes:,}")
        content = self.read_at(place.pack, place.offset, min(place.n_bytes, n_bytes or place.n_bytes))
        if n_bytes is None and content_digest(content) != place.digest:
            raise OSError(f"other bytes in {place.pack} than were packed")
        return content

    def has(self, name: str) -> bool:
        """Return whether a log of this path was packed."""
        return name in places_of(self)


def _manifest(places: dict[str, Place]) -> bytes:
    rows = [{"path": path} | json.loads(place.listed) for path, place in sorted(places.items()) if place.listed]
    return json.dumps(rows).encode()


def open_packs(root: str, names: Iterable[str]) -> PackSource:
    """Return the packs of a folder. names: its files. Raises LogError for a file that is no pack."""
    names = [name for name in names if name.endswith(SUFFIX)]
    packs = {name for name in names if name.startswith(PACKS)}
    indices = sorted(name for name in names if name.startswith(INDICES))
    for name in names:
        if name not in packs and name not in indices:
            raise LogError(f"A folder of packs ({MARK}) must hold no other *.parquet, found {shown(name)} in {root}.")
    without = sorted(packs - set(map(pack_of, indices)))
    if without:
        raise LogError(
            f"Every pack must have its index, found none of {shown(without[0])} in {root}; run the same `mstudy pack` "
            f"again, which finishes what was interrupted."
        )
    return PackSource(root, tuple(indices))


@lru_cache(maxsize=4)
def places_of(source: PackSource) -> dict[str, Place]:
    """Return the place of each log. Raises LogError unless every pack is whole and each path occurs once."""
    places: dict[str, Place] = {}
    for name in source.indices:
        found = _read_one(Source(source.root), name)
        twice = next((path for path in found if path in places), None)
        if twice is not None:
            raise LogError(
                f"A log must be in one pack, found {shown(twice)} in {places[twice].pack} and {pack_of(name)} of "
                f"{source.root}; remove one of the two with its index."
            )
        places |= found
    return places


def _read_one(files: Source, name: str) -> dict[str, Place]:
    pack = pack_of(name)
    try:
        found, size = read_index(files.read(name, max_bytes=MAX_INDEX_BYTES), name)
        actual = files.size(pack)
        end = files.read_at(pack, max(actual - len(_MAGIC), 0), len(_MAGIC))
    except OSError as error:
        raise LogError(
            f"Every pack and its index must be readable, found {pack} in {files.root}: {error.strerror or error}."
        ) from None
    if actual != size or end != _MAGIC:
        raise LogError(
            f"A pack must be whole, {size:,} bytes that end with {_MAGIC!r}, found {actual:,} that end with {end!r} in "
            f"{pack} of {files.root}; copy it again, or pack its logs again."
        )
    return found
