"""The text of a file as UTF-8: unpacked where gzip or Zstandard packed it, decoded from what it is written in."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from mstudy.core.errors import LogError
from mstudy.core.outside import require_plain
from mstudy.importers.tables.table_bounds import MAX_BYTES

PACKED = (".gz", ".zst")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 20
_MAX_UNPACKED = 1 << 31
# Marks at the start of a text; those of UTF-32 begin with those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MIN_SHOWN = 16  # bytes that show which half of each pair is zero


@dataclass(frozen=True)
class Text:
    """content: UTF-8. is_whole: whether the file it was packed in had its end. notes: for the user."""

    content: bytes
    is_whole: bool = True
    notes: tuple[str, ...] = ()


def read_text(path: Path) -> Text:
    """Read a file. Raises LogError where it is no plain file, too large, or packed and damaged."""
    try:
        require_plain(path, MAX_BYTES, LogError)
        raw = path.read_bytes()
        is_whole, notes = True, []
        if raw.startswith((_GZIP, _ZSTANDARD)):
            raw, is_whole = _unpacked(raw, path)
            notes += [] if is_whole else [f"{path} ends before its packed content does; what is there is read"]
        content, note = _decoded(raw, path)
    except (OSError, EOFError, zlib.error, pa.ArrowException, MemoryError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise LogError(f"{path} must be readable, found {reason}.") from None
    return Text(content, is_whole, (*notes, *note))


def _unpacked(raw: bytes, path: Path) -> tuple[bytes, bool]:
    """Return what a packed file holds, and whether it is whole: a torn one is read as far as it goes."""
    parts: list[bytes] = []
    size = 0
    pieces = _gzip_pieces(raw) if raw.startswith(_GZIP) else _zstandard_pieces(raw)
    for piece in pieces:
        if piece is None:
            return b"".join(parts), False
        size += len(piece)
        if size > _MAX_UNPACKED:
            raise LogError(f"{path} must unpack to at most {_MAX_UNPACKED:,} bytes, found more.")
        parts.append(piece)
    return b"".join(parts), True


def _gzip_pieces(raw: bytes) -> Iterator[bytes | None]:
    """Yield the content piece by piece; None where it is torn."""
    with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
        try:
            while piece := packed.read1(_PIECE):
                yield piece
        except EOFError:
            yield None


def _zstandard_pieces(raw: bytes) -> Iterator[bytes | None]:
    with pa.CompressedInputStream(pa.BufferReader(raw), "zstd") as packed:
        try:
            while piece := packed.read(_PIECE):
                yield bytes(piece)
        except OSError as error:
            if "end of" not in str(error).lower() and "truncated" not in str(error).lower():
                raise
            yield None


def _decoded(raw: bytes, path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return the text as UTF-8 with plain ends of lines, and what is to be said of how it was written."""
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), _encoding_by_zeros(raw))
    if encoding is not None and encoding != "utf-8":
        width = 4 if "32" in encoding else 2
        whole = raw[: len(raw) - len(raw) % width]
        try:
            content = whole.decode(encoding).lstrip("\ufeff").encode()
        except UnicodeError:
            raise LogError(f"{path} must be text, found a start as of {encoding} and what is none behind it.") from None
        note: tuple[str, ...] = ()
    else:
        content, note = _decoded_bytes(raw.removeprefix(codecs.BOM_UTF8), path)
    if b"\r" in content and b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return content, note


def _encoding_by_zeros(raw: bytes) -> str | None:
    """Return UTF-16 without a mark: every other byte of plain letters is zero."""
    start = raw[:_MIN_SHOWN]
    if len(start) < _MIN_SHOWN:
        return None
    if not any(start[1::2]) and all(start[::2]):
        return "utf-16-le"
    return "utf-16-be" if not any(start[::2]) and all(start[1::2]) else None


def _decoded_bytes(raw: bytes, path: Path) -> tuple[bytes, tuple[str, ...]]:
    try:
        codecs.utf_8_decode(raw, "strict", False)  # a letter that a torn end cuts is no fault
        return raw, ()
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("cp1252").encode(), (f"{path} is not UTF-8 and is read as Windows-1252",)
    except UnicodeDecodeError:
        raise LogError(f"{path} must be text in UTF-8, UTF-16 or Windows-1252, found bytes of none.") from None
