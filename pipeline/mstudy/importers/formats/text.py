"""Text logs, by patterns of their lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mstudy.importers.kind import Kind

if TYPE_CHECKING:
    from mstudy.importers.mapping import Mapping
    from mstudy.importers.source_run import Found


def find(source: Path, mapping: Mapping) -> list[Found]:
    """Return the texts in which a line has the pattern."""
    from mstudy.importers.text_log import find_text

    return find_text(source, mapping)


KIND = Kind(
    name="text",
    help="text logs, by the pattern of a line.",
    example="mstudy import text logs/ --pattern 'Step {{step}}: .*loss = {{loss}}' --out runs/",
    find=find,
    has_pattern=True,
)
