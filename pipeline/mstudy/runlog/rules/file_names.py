"""Rules on the names of the files in a runs folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mstudy.core.files import TEMPORARY_SUFFIX
from mstudy.core.statuses import Severity
from mstudy.runlog.format.schema import JOURNAL_SUFFIX
from mstudy.runlog.raw.listing import MANIFESTS, SUFFIX, Listing
from mstudy.runlog.raw.source import Source
from mstudy.runlog.rules.rule import Fault, Stage

_MAGIC = b"PAR1"


@dataclass(frozen=True)
class Names:
    """The files of a source, and what could not be listed."""

    source: Source
    listing: Listing

    @property
    def names(self) -> Sequence[str]:
        """The files."""
        return self.listing.names


NAMES: Stage[Names] = Stage()


@NAMES.rule("file-name", Severity.ERROR, "a file's name is valid UTF-8", "Rename the file.")
def _name(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if name.endswith(SUFFIX) and not is_utf8(name):
            yield Fault("a log's name must be valid UTF-8, found other bytes.", path=printable_name(name))


@NAMES.rule(
    "unlisted-folder",
    Severity.ERROR,
    "every folder below the runs folder can be listed",
    "Mend its permissions, or move it out of the runs folder.",
)
def _unlisted(names: Names) -> Iterator[Fault]:
    for name, reason in names.listing.unlisted:
        yield Fault(f"the folder must be one that can be listed, found: {reason}.", path=printable_name(name))


@NAMES.rule(
    "no-file",
    Severity.ERROR,
    "what is named as a log or a manifest is a file, or a link to one",
    "Put the file in its place, or remove it.",
)
def _no_file(names: Names) -> Iterator[Fault]:
    for name, kind in names.listing.no_files:
        yield Fault(f"it must be a file, found: {kind}.", path=printable_name(name))


@NAMES.rule(
    "linked-folder",
    Severity.WARNING,
    "no folder is a link: links to folders are not followed",
    "Put the folder itself there, or name it as RUNS.",
)
def _linked(names: Names) -> Iterator[Fault]:
    for name in names.listing.links:
        yield Fault("a folder must be in its place to be read, found a link, not followed.", path=printable_name(name))


@NAMES.rule(
    "own-output",
    Severity.WARNING,
    "no output of `mstudy analyze` lies in the runs folder: its tables are not read as logs",
    "Write the output beside the runs folder.",
)
def _output(names: Names) -> Iterator[Fault]:
    for name in names.listing.outputs:
        yield Fault("the output of an analysis must lie outside the runs folder.", path=printable_name(name))


@NAMES.rule(
    "left-over",
    Severity.WARNING,
    "no temporary file of an interrupted write is left",
    "Remove it, unless a program is writing it now: what it was to be is not whole.",
)
def _left_over(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if name.endswith(TEMPORARY_SUFFIX) and _is_parquet(names.source, name):
            yield Fault("a file must be whole, found one that was being written.", path=printable_name(name))


@NAMES.rule(
    "under-way",
    Severity.WARNING,
    "no run of the folder is still under way",
    "Wait until it is finished, or, where its process was killed, `mstudy import journal`.",
)
def _under_way(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if name.endswith(JOURNAL_SUFFIX):
            yield Fault("a run must be finished to be read, found its journal.", path=printable_name(name))


@NAMES.rule(
    "renamed-file",
    Severity.WARNING,
    "a Parquet file is named `*.parquet`",
    "Rename it so that it is read, or move it out of the folder.",
)
def _renamed(names: Names) -> Iterator[Fault]:
    for name in names.names:
        if not name.endswith((SUFFIX, TEMPORARY_SUFFIX)) and name not in MANIFESTS and _is_parquet(names.source, name):
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
