"""What a tool is to the command line: its name, its help, and the function that finds its runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


@dataclass(frozen=True)
class Kind:
    """One tool.

    name: the command is `mstudy import NAME`. help: what is imported, after the word "Import". example: a command line.
    find: (source, map) -> the runs of the source; raises LogError where it has none.
    has_pattern: whether the command takes patterns of lines.
    """

    name: str
    help: str
    example: str
    find: Callable[[Path, Mapping], list[Found]]
    has_pattern: bool = False
