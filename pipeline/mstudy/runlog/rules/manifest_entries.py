"""Rules on the manifest, and on how it agrees with the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from mstudy.core.statuses import Severity
from mstudy.runlog.raw.manifest import Manifest
from mstudy.runlog.raw.metadata import Metadata
from mstudy.runlog.rules.rule import Fault, Stage


@dataclass(frozen=True)
class Listed:
    """The manifest, and the names of the files beside it."""

    manifest: Manifest
    names: frozenset[str]


@dataclass(frozen=True)
class Stated:
    """What a file says of its run, and what the manifest says of it."""

    own: Metadata
    manifest: Metadata


LISTED: Stage[Listed] = Stage()
STATED: Stage[Stated] = Stage()


@LISTED.rule(
    "manifest-unreadable", Severity.ERROR, "the manifest can be read, with a `path` in each row", "Write it again."
)
def _unreadable(listed: Listed) -> Iterator[Fault]:
    if listed.manifest.fault is not None:
        yield Fault(f"the manifest must be a table with a path in each row, found: {listed.manifest.fault}.")


@LISTED.rule("manifest-twice", Severity.ERROR, "there is one manifest", "Keep one of them.")
def _several(listed: Listed) -> Iterator[Fault]:
    for name in listed.manifest.others:
        yield Fault(f"there must be one manifest, found {listed.manifest.name} beside it.", path=name)


@LISTED.rule(
    "manifest-path",
    Severity.ERROR,
    "a path of the manifest is relative and stays in the runs folder",
    "Write it relative to the runs folder, without `..`.",
)
def _escaping(listed: Listed) -> Iterator[Fault]:
    for row, (path, _) in enumerate(listed.manifest.rows):
        if _escapes(path):
            yield Fault(f"path must stay in the runs folder, found {path[:80]!r}.", "path", row)


def _escapes(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive) or ".." in path.split("/")


@LISTED.rule(
    "manifest-repeats", Severity.ERROR, "a path occurs in the manifest once", "Remove all but one of its rows."
)
def _repeated(listed: Listed) -> Iterator[Fault]:
    counts = Counter(path for path, _ in listed.manifest.rows)
    for path, count in counts.items():
        if count > 1:
            yield Fault(f"a path must occur once in {listed.manifest.name}, found it {count} times.", path=path)


@LISTED.rule(
    "manifest-missing-file",
    Severity.WARNING,
    "every file that the manifest names is there",
    "Put the file back, or remove its row.",
)
def _absent(listed: Listed) -> Iterator[Fault]:
    for row, (path, _) in enumerate(listed.manifest.rows):
        if path not in listed.names and not _escapes(path):
            yield Fault(f"a file that the manifest names must be there, found none at {path[:80]!r}.", "path", row)


@STATED.rule(
    "manifest-contradicts",
    Severity.ERROR,
    "the manifest and a file's own metadata agree",
    "Correct the one that is wrong.",
)
def _contradicting(stated: Stated) -> Iterator[Fault]:
    for key, value in stated.manifest.items():
        own = stated.own.get(key)
        if own is not None and not _same(own, value):
            found = f"{str(own)[:40]!r} in the file, {str(value)[:40]!r} in the manifest"
            yield Fault(f"{key} must be the same in file and manifest, found {found}.", key)


def _same(a: Any, b: Any) -> bool:
    # Text of a CSV may have to meet a number of JSON.
    return bool(a == b) or str(a) == str(b)
