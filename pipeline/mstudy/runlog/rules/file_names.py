"""Rules on the names of the files in a runs folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mstudy.core.statuses import Severity
from mstudy.runlog.raw.source import MANIFESTS, SUFFIX, Source
from mstudy.runlog.rules.rule import Fault, Stage

_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Names:
    """The files of a source."""

    source: Source
    names: Sequence[str]


NAMES: Stage[Names] = Stage()


@NAMES.rule("file-name", Severity.ERROR, "a file's name is valid UTF-8", "Rename the file.")
def _name(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if name.endswith(SUFFIX) and not is_utf8(name):
            yield Fault("a log's name must be valid UTF-8, found other bytes.", path=printable_name(name))


@NAMES.rule(
    "renamed-file",
    Severity.WARNING,
    "a Parquet file is named `*.parquet`",
    "Rename it so that it is read, or move it out of the folder.",
)
def _renamed(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if not name.endswith(SUFFIX) and name not in MANIFESTS and _is_parquet(names.source, name):
            yield Fault("a Parquet file must be named *.parquet, else it is not read.", path=printable_name(name))


def _is_parquet(source: Source, name: str) -> bool:
    try:
        return source.read(name, len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def is_utf8(name: str) -> bool:
    """Return whether a name as the file system gives it is text."""
    return not any(0xDC80 <= ord(c) <= 0xDCFF for c in name)


def printable_name(name: str) -> str:
    """Return the name, bytes that are no text replaced."""
    return name.encode("utf-8", "replace").decode("utf-8")
