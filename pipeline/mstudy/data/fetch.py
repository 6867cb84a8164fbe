"""Downloads the files of a data set: resumed where it was cut, checked, and under its name only when right."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from pathlib import Path
from typing import cast
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from mstudy.core.errors import DataError
from mstudy.core.files import move_into_place
from mstudy.data.catalogue import Entry, Remote
from mstudy.data.places import BROKEN_GZIP, MAX_BYTES, folders, is_there, own_folder
from mstudy.workers.progress import Progress

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte


def fetch_dataset(entry: Entry) -> Path:
    """Return the folder with the files of a data set, downloaded where no folder has them right. Raises DataError.

    A file of the right name but the wrong content is replaced.
    """
    for folder in folders(entry):
        if all(has_right_content(folder / remote.name, remote) for remote in entry.remotes):
            return folder
    folder = own_folder(entry)
    for remote in entry.remotes:
        if not has_right_content(folder / remote.name, remote):
            fetch_file(remote, folder)
    return folder


def fetch_file(remote: Remote, folder: Path) -> Path:
    """Return the file, downloaded into `folder`; what arrived before a cut waits beside it as NAME.part.

    Raises DataError when it cannot be had, or when its content is wrong, which is removed.
    """
    path, part = folder / remote.name, folder / f"{remote.name}.part"
    with _writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not has_right_content(part, remote):  # it may have arrived whole before a cut
            _download(remote, part)
            _check(remote, part)
        move_into_place(part, path)
    return path


def has_right_content(path: Path, remote: Remote) -> bool:
    """Return whether the file is there with the content that `remote` promises.

    Raises DataError if it cannot be read.
    """
    try:
        if not is_there(path) or path.stat().st_size > MAX_BYTES:  # beyond, it is none of those known by name
            return False
        return digest_of(path, remote) == remote.digest
    except OSError as error:
        raise DataError(f"{path} must be readable, found: {error.strerror}.") from None


def digest_of(path: Path, remote: Remote) -> str:
    """Return the digest of a file as `remote` counts it, in hex; "no whole gzip file" where gzip cannot be undone."""
    try:
        with path.open("rb") as file:
            content: BufferedReader | gzip.GzipFile = gzip.GzipFile(fileobj=file) if remote.gzipped else file
            return hashlib.file_digest(content, lambda: _hash(remote.algorithm)).hexdigest()
    except BROKEN_GZIP:
        return "no whole gzip file"


def _hash(algorithm: str) -> hashlib._Hash:
    # It tells a torn file from a whole one; it is no defence, so md5 will do where only md5 is published.
    return hashlib.new(algorithm, usedforsecurity=False)


def _check(remote: Remote, part: Path) -> None:
    digest = digest_of(part, remote)
    if digest != remote.digest:
        part.unlink()
        what = f"{remote.algorithm} of its content" if remote.gzipped else remote.algorithm
        raise DataError(
            f"{remote.name} must have the {what} {remote.digest}, found {digest} at {remote.url}; "
            f"it was removed, {_by_hand(part)}."
        )


def _download(remote: Remote, part: Path) -> None:
    """Add to `part` what it lacks, or write it anew where the server cannot go on from the middle."""
    with _response(remote, part) as response:
        start = max(_resumed_at(response), 0)
        total = None if response.length is None else start + response.length
        with part.open("ab" if start else "wb") as sink:
            for data in _shown(_chunks(response, remote, part), remote, start, total):
                sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
    size = part.stat().st_size
    if total is not None and size < total:  # the connection's end looks like the file's: only the count tells
        raise DataError(_cut(remote, part, f"{size} of {total} bytes"))


def _response(remote: Remote, part: Path) -> HTTPResponse:
    have = part.stat().st_size if part.exists() else 0
    try:
        return _answer(remote, have)
    except HTTPError as error:
        with error:
            status = f"HTTP status {error.code} {error.reason}"
        raise DataError(f"{remote.name} must be at {remote.url}, found {status}; {_by_hand(part)}.") from None
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise DataError(
            f"{remote.name} must be fetched, found no way to {remote.url} ({reason}); {_by_hand(part)}."
        ) from None


def _answer(remote: Remote, have: int) -> HTTPResponse:
    """Return the server's answer to a request for all but the first `have` bytes, or, where it will not have that, for
    all.
    """
    headers = {"User-Agent": "mstudy"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = cast(HTTPResponse, urlopen(Request(remote.url, headers=headers), timeout=_TIMEOUT))
    except HTTPError as error:
        if not have or error.code != 416:  # 416: nothing lies beyond the first `have` bytes
            raise
        error.close()
        return _answer(remote, 0)
    if have and _resumed_at(response) not in (0, have):
        response.close()
        return _answer(remote, 0)
    return response


def _resumed_at(response: HTTPResponse) -> int:
    """Return the place in the file of the answer's first byte: 0 unless the server says it sends a part; -1 if
    unclear.
    """
    if response.status != 206:
        return 0
    first = (response.getheader("Content-Range") or "").removeprefix("bytes ").partition("-")[0]
    return int(first) if first.isdecimal() else -1


def _chunks(response: HTTPResponse, remote: Remote, part: Path) -> Iterator[bytes]:
    try:
        while data := response.read(_CHUNK):
            yield data
    except (OSError, HTTPException) as error:
        raise DataError(_cut(remote, part, str(error))) from None


def _shown(chunks: Iterator[bytes], remote: Remote, start: int, total: int | None) -> Iterator[bytes]:
    """Yield the chunks, with progress on stderr where the total is known."""
    if total is None:
        yield from chunks
        return
    progress, size, reported = Progress(f"{remote.name}, kB", _kilobytes(total)), start, 0
    for data in chunks:
        yield data
        size += len(data)
        progress.advance(_kilobytes(size) - reported)
        reported = _kilobytes(size)


def _kilobytes(n: int) -> int:
    return -(-n // 1000)


def _cut(remote: Remote, part: Path, digest: str) -> str:
    return (
        f"{remote.name} must arrive whole, found the connection to {remote.url} cut ({digest}); "
        f"run the command again to go on, or put the file into {part.parent} by hand."
    )


def _by_hand(part: Path) -> str:
    return f"try again, or put the file into {part.parent} by hand"


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # of the disk: those of the network are DataErrors by now
        raise DataError(f"The data folder must be writable, found at {folder}: {error.strerror}.") from None
