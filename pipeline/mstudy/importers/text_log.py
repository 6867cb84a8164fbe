"""Text logs: lines in which a pattern finds numbers; settings in the file's name, or in a file beside it.

A pattern is a regular expression with names in braces, `Step {step}: .*loss = {loss}`, each of which is a number. One
that finds nothing is read as plain text, in which only `.*` stands for anything. Of several patterns each line is tried
by all; what counts steps or epochs alone holds for the lines below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import polars as pl

from mstudy.core.errors import ConfigError, LogError, shown
from mstudy.importers.mapping import Mapping
from mstudy.importers.source_files import files_below
from mstudy.importers.source_run import Found, SourceRun, refused
from mstudy.importers.tables.content import Text, read_text
from mstudy.importers.tables.find_tables import bare_name, patterns
from mstudy.importers.tables.frame import Table, with_places
from mstudy.importers.tables.run_of_table import read_run
from mstudy.importers.tables.table_bounds import require_bounds

_FORMS = (".out", ".log", ".txt", ".err", ".text")
_NAME = re.compile(r"\{([A-Za-z_][\w/.]*)\}")
_NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|[Nn]a[Nn]|[Ii]nf(?:inity)?))"
_EPOCH = re.compile(r"\bepoch\W{0,3}(\d{1,9})", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}m")
_MAX_LINE = 2000  # letters; a pattern may need the square of them
_MAX_PATTERN = 1000
_COUNTERS = {"step", "epoch", "iteration", "global_step", "iter"}


@dataclass(frozen=True)
class _Pattern:
    names: tuple[str, ...]
    expressions: tuple[re.Pattern[str], ...]  # the ways to read it, the best first


def find_text(root: Path, mapping: Mapping) -> list[Found]:
    """Return the texts below a folder, or one. Raises LogError where there is none, ConfigError for a bad pattern."""
    if not mapping.patterns:
        raise ConfigError("A text log needs the pattern of its lines, found none; give --pattern 'Step {step} {loss}'.")
    compiled = [_compiled(pattern) for pattern in mapping.patterns]
    paths = files_below(root, *patterns(*_FORMS))
    if not paths:
        raise LogError(f"The source must hold texts, found no {', '.join('*' + form for form in _FORMS)} in {root}.")
    return [_found(path, root, compiled, mapping) for path in paths]


def _compiled(pattern: str) -> _Pattern:
    names = tuple(_NAME.findall(pattern))
    if not names or len(set(names)) != len(names) or len(pattern) > _MAX_PATTERN:
        raise ConfigError(
            f"A pattern must hold names in braces, each once, in {_MAX_PATTERN} letters, found {shown(pattern)}."
        )
    pieces = _NAME.split(pattern)[::2]
    plain = _NUMBER.join(re.sub(r"(?:\\ )+", r"\\s+", re.escape(piece)).replace(r"\.\*", ".*?") for piece in pieces)
    ways = []
    try:
        as_written = re.compile(_NUMBER.join(pieces))
        ways += [as_written] if as_written.groups == len(names) else []
    except (re.error, RecursionError, OverflowError):
        pass  # it is plain text then
    return _Pattern(names, (*ways, re.compile(plain)))


def _found(path: Path, root: Path, compiled: list[_Pattern], mapping: Mapping) -> Found:
    name = bare_name(path, root)
    try:
        text = read_text(path)
        rows, notes, n_torn = _rows(text, compiled, path)
    except LogError as error:
        return refused(name, error)
    if not rows:
        return _without_rows(name, path, is_alone=path == root)
    table = Table(with_places(pl.DataFrame(rows, infer_schema_length=None)), (*text.notes, *notes), n_torn)
    return Found(name, partial(_read, table, path, name, mapping))


def _without_rows(name: str, path: Path, is_alone: bool) -> Found:
    error = LogError(f"A line of a text must have the pattern, found none in {path}; correct --pattern.")
    return refused(name, error) if is_alone else replace(refused(name, error), left_out="without a line of the pattern")


def _read(table: Table, path: Path, name: str, mapping: Mapping) -> SourceRun:
    return read_run(table, path, name, mapping)


def _rows(text: Text, compiled: list[_Pattern], path: Path) -> tuple[list[dict[str, str | None]], list[str], int]:
    """Return what the lines hold, notes, and how many rows were torn."""
    lines = _lines(text.content)
    is_torn = bool(lines[-1])
    ways = [next((way for way in each.expressions if _any(way, lines)), each.expressions[-1]) for each in compiled]
    names = list(dict.fromkeys(name for each in compiled for name in each.names))
    rows: list[dict[str, str | None]] = []
    carried: dict[str, str | None] = {}
    epochs: list[str | None] = []
    n_torn = n_long = 0
    for k, line in enumerate(lines):
        n_long += len(line) > _MAX_LINE
        found: dict[str, str | None] = {}
        for each, way in zip(compiled, ways, strict=True):
            match = way.search(line[:_MAX_LINE])
            if match is not None:
                found |= dict(zip(each.names, match.groups(), strict=True))
                n_torn += k == len(lines) - 1 and is_torn and match.end() == len(line)
        carried |= {name: value for name, value in found.items() if name in _COUNTERS}
        if found.keys() - _COUNTERS and not n_torn:
            rows.append(dict.fromkeys(names) | carried | found)
            own = _EPOCH.search(line[:_MAX_LINE])
            epochs.append(None if own is None else own[1])
            require_bounds(len(rows), len(names), path)
    notes = [f"the last line of {path}, which has no end, is left out as torn"] if n_torn else []
    notes += [f"of {n_long} lines of {path} the first {_MAX_LINE} letters alone are read"] if n_long else []
    if "epoch" not in names and None not in epochs:
        rows = [row | {"epoch": epoch} for row, epoch in zip(rows, epochs, strict=True)]
    return rows, notes, int(n_torn > 0)


def _lines(content: bytes) -> list[str]:
    """Return the lines without colours; a progress bar, which writes over its line, has one for each writing."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return (_COLOUR.sub("", text) if "\x1b" in text else text).split("\n")


def _any(way: re.Pattern[str], lines: list[str]) -> bool:
    return any(way.search(line[:_MAX_LINE]) for line in lines)
