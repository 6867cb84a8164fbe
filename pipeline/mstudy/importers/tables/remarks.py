"""Lines of remarks, "# ...", before the header of a table."""

from __future__ import annotations

import re
from dataclasses import replace

from mstudy.importers.tables.content import Text

_MARK = b"#"
_REMARKS = re.compile(rb"(?:[ \t\r\n]*#[^\n]*(?:\n|$))+")
_STARTS_WITH_NUMBER = re.compile(rb'\s*"?[-+]?\.?\d')


def without_remarks(text: Text) -> Text:
    """Return the table without the remarks before its header, and say how many they were.

    Where numbers follow them, the last of them is the header behind a mark, as NumPy writes it.
    """
    block = _REMARKS.match(text.content)
    if block is None:
        return text
    lines, rest = [line for line in block[0].split(b"\n") if line.strip()], text.content[block.end() :]
    if _STARTS_WITH_NUMBER.match(rest):
        rest = lines.pop().strip().lstrip(_MARK).strip() + b"\n" + rest
    note = f"{len(lines)} lines of remarks before the header are left out"
    return replace(text, content=rest, notes=(*text.notes, note) if lines else text.notes)
