"""`python -m benchmarks.outside FOLDER --write` writes docs/outside-data.md; without --write it prints the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mstudy.core.errors import MstudyError

from benchmarks.outside.page import page
from benchmarks.outside.sources import find_sources, study

PAGE = Path(__file__).parents[2] / "docs" / "outside-data.md"
NO_FOLDER = "FOLDER must name the folder of the public logs, found none; docs/outside-data.md says where to get them."


def main(arguments: list[str]) -> None:
    """Import, analyse, compare, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outside", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.folder is None:
        parser.error(NO_FOLDER)
    try:
        text = page([study(source) for source in find_sources(asked.folder)])
    except MstudyError as error:
        sys.exit(str(error))
    if asked.write:
        PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
