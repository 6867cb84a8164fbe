"""Every rule, in the order in which they are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mstudy.runlog.rules.column_types import SCHEMA
from mstudy.runlog.rules.file_content import CONTENT
from mstudy.runlog.rules.file_names import NAMES
from mstudy.runlog.rules.folder import FOLDER
from mstudy.runlog.rules.manifest_entries import LISTED, STATED
from mstudy.runlog.rules.metadata_fields import METADATA
from mstudy.runlog.rules.row_values import ROWS
from mstudy.runlog.rules.rule import Rule
from mstudy.runlog.rules.unreadable import COMPARING, ENTRY, OPENING, READING, SIZE

_STAGES = (
    ("Names and manifest", (NAMES, LISTED, STATED)),
    ("One file", (SIZE, OPENING, CONTENT, SCHEMA, ENTRY, METADATA, READING, COMPARING, ROWS)),
    ("All runs together", (FOLDER,)),
)


def rules() -> Iterator[tuple[str, Rule[Any]]]:
    """Yield each rule with the heading under which it is described."""
    for heading, stages in _STAGES:
        for stage in stages:
            yield from ((heading, rule) for rule in stage.rules)


def as_markdown() -> str:
    """Return the tables of docs/validation.md."""
    lines: list[str] = []
    for heading, _ in _STAGES:
        lines += [f"## {heading}", "", "| rule | severity | what must hold | remedy |", "|---|---|---|---|"]
        lines += [
            f"| `{rule.id}` | {rule.severity} | {rule.demand} | {rule.remedy} |"
            for place, rule in rules()
            if place == heading
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown(), end="")
