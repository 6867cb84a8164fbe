"""Rules on attempts: what opening a file, or parsing its metadata or rows, came to; None where it went well."""

from __future__ import annotations

from collections.abc import Iterator

from mstudy.core.statuses import Severity
from mstudy.runlog.raw.read_file import MAX_BYTES
from mstudy.runlog.rules.rule import Fault, Stage

Failure = str | None
SIZE: Stage[Failure] = Stage()
OPENING: Stage[Failure] = Stage()
ENTRY: Stage[Failure] = Stage()
READING: Stage[Failure] = Stage()
COMPARING: Stage[Failure] = Stage()


@SIZE.rule("file-size", Severity.ERROR, f"a log has at most {MAX_BYTES:,} bytes", "Log fewer rows.")
def _size(failure: Failure) -> Iterator[Fault]:
    if failure is not None:
        yield Fault(f"it is too large: {failure}.")


@OPENING.rule(
    "unreadable-file", Severity.ERROR, "a file can be opened", "Mend its permissions, or the connection, and try again."
)
def _file(failure: Failure) -> Iterator[Fault]:
    if failure is not None:
        yield Fault(f"it must be readable, found: {failure}.")


@ENTRY.rule("metadata-json", Severity.ERROR, "the metadata entry is one JSON object", "Write it with a JSON library.")
def _entry(failure: Failure) -> Iterator[Fault]:
    if failure is not None:
        yield Fault(f"the metadata entry 'mstudy' {failure}.")


@READING.rule(
    "unreadable-rows",
    Severity.ERROR,
    "every value can be read, and `step` holds whole numbers",
    "Write the file again; where `step` has fractions, count updates.",
)
def _rows(failure: Failure) -> Iterator[Fault]:
    if failure is not None:
        yield Fault(f"its rows cannot be read ({failure}).")


@COMPARING.rule(
    "content-digest",
    Severity.ERROR,
    "a log that states a digest of its content (`mstudy_sha256`) has that content",
    "Take it from a copy, or log the run again; if the change was meant, leave the entry out.",
)
def _content(failure: Failure) -> Iterator[Fault]:
    if failure is not None:
        yield Fault(f"it must be as it was written, found another content ({failure}).")
