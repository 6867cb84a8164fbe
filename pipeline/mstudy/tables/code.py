"""The source code that each stage of the analysis uses, and a digest of it.

After an edit nobody has to remember to raise a number.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

_READING_CODE = (
    "cache.py",
    "core",
    "runlog/raw",
    "runlog/reading",
    "runlog/rules",
    "runlog/format",
    "tables",
    "workers",
)
_SOURCES = (".py", ".html", ".css", ".js")
# What dvc.yaml lists for each stage, and "read" for what is found in one log (a test holds them equal).
CODE = {
    "read": _READING_CODE,
    "detect": (*_READING_CODE, "detect"),
    "compare": (*_READING_CODE, "compare", "pairs"),
    "estimate": ("core", "estimate", "pairs", "tables"),
    "report": (*_READING_CODE, "pairs", "report"),
}


@lru_cache
def code_digest(stage: str) -> str:
    """Return a digest of the modules of a stage, a key of CODE."""
    package = Path(__file__).parents[1]
    digest = blake2b(digest_size=16)
    for name in CODE[stage]:
        for path in sorted(_sources(package / name)):
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _sources(place: Path) -> list[Path]:
    """Return a module, or every file of a folder that a result may come from."""
    return [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in _SOURCES]
