"""Where a runs folder lies: on this machine, or in an object store with the protocol of S3."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
from pyarrow import fs

from mstudy.core.errors import LogError
from mstudy.runlog.raw.listing import MANIFESTS, SUFFIX, Listing, list_folder, without_outputs
from mstudy.runlog.raw.read_file import MAX_BYTES, read_bounded, read_file

STORE = "s3://"
_MAX_REQUESTS = 16  # requests under way: an object store answers late, but many at a time


@dataclass(frozen=True)
class Source:
    """A folder of runs; names are relative to it, with forward slashes. It can be sent to another process."""

    root: str

    @property
    def is_remote(self) -> bool:
        """Whether it lies in an object store."""
        return self.root.lower().startswith(STORE)

    def list_files(self) -> Listing:
        """Return every file at any depth, hidden ones left out, and what could not be listed.

        Raises LogError where there is no such folder, or it cannot be listed.
        """
        if not self.is_remote:
            return list_folder(self.root)
        names = [name for name in self._list_remote() if not any(part.startswith(".") for part in name.split("/"))]
        return without_outputs(Listing(sorted(names)))

    def read(self, name: str, n_bytes: int | None = None, max_bytes: int = MAX_BYTES) -> bytes:
        """Return the content of a file, or its first bytes. Raises OSError, TooLargeError above max_bytes."""
        try:
            if not self.is_remote:
                return read_file(os.path.join(self.root, name), n_bytes, max_bytes)
            system, base = _open_store(self.root)
            with system.open_input_file(f"{base}/{name}") as file:
                return bytes(read_bounded(file, file.size(), n_bytes, max_bytes))
        except MemoryError:
            raise OSError("no memory that could hold it") from None

    def read_at(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return `n_bytes` of a file of this folder from `start` on, fewer where it ends. Raises OSError."""
        if not self.is_remote:
            return read_file(os.path.join(self.root, name), n_bytes, MAX_BYTES, start)
        system, base = _open_store(self.root)
        with system.open_input_file(f"{base}/{name}") as file:
            file.seek(start)
            return bytes(file.read(n_bytes))

    def size(self, name: str) -> int:
        """Return the bytes of a file of this folder. Raises OSError."""
        if not self.is_remote:
            return os.stat(os.path.join(self.root, name)).st_size
        system, base = _open_store(self.root)
        with system.open_input_file(f"{base}/{name}") as file:
            return int(file.size())

    def has(self, name: str) -> bool:
        """Return whether a file of this name lies in this folder."""
        if not self.is_remote:
            return os.path.isfile(os.path.join(self.root, name))
        system, base = _open_store(self.root)
        try:
            return bool(system.get_file_info(f"{base}/{name}").is_file)
        except OSError:  # listing the folder will say why
            return False

    def read_each(self, names: Sequence[str]) -> Iterator[bytes | OSError]:
        """Yield the content of each file in order, or why it cannot be read."""
        if not self.is_remote:
            yield from map(self._try, names)
            return
        with ThreadPoolExecutor(_MAX_REQUESTS) as pool:
            yield from pool.map(self._try, names)

    def _try(self, name: str) -> bytes | OSError:
        try:
            return self.read(name)
        except OSError as error:
            return error

    def _list_remote(self) -> list[str]:
        system, base = _open_store(self.root)
        try:
            entries = system.get_file_info(fs.FileSelector(base, recursive=True))
        except FileNotFoundError:
            raise LogError(f"The runs folder must exist, found none at {self.root}.") from None
        except OSError as error:
            raise LogError(
                f"The object store must let us list {self.root}, found: {_short(error)}; check the bucket's "
                f"name, the credentials (AWS_ACCESS_KEY_ID, AWS_PROFILE, ...) and the endpoint (AWS_ENDPOINT_URL)."
            ) from None
        return [info.path[len(base) + 1 :] for info in entries if info.is_file]


@lru_cache(maxsize=8)
def _open_store(root: str) -> tuple[Any, str]:
    """Return the file system, and bucket and prefix in it.

    Credentials and endpoint come from where AWS's tools take them.
    """
    try:
        system, base = fs.FileSystem.from_uri(root)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise LogError(
            f"The runs folder must be a path or s3://BUCKET/PREFIX, found {root}: {_short(error)}."
        ) from None
    if not base:
        raise LogError(f"The address of an object store must name a bucket, s3://BUCKET/PREFIX, found {root}.")
    return system, base.rstrip("/")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def run_names(names: Sequence[str]) -> list[str]:
    """Return those that are logs: `*.parquet`, the manifest left out."""
    return [name for name in names if name.endswith(SUFFIX) and name not in MANIFESTS]
