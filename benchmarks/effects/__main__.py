"""`python -m benchmarks.effects FOLDER --write` writes docs/effects.md; without --write it prints the page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mstudy.core.errors import MstudyError

from benchmarks.effects.page import page
from benchmarks.effects.studies import study_all

PAGE = Path(__file__).parents[2] / "docs" / "effects.md"


def main(arguments: list[str]) -> None:
    """Train, branch, analyse, report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for logs and results; kept between calls")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args(arguments)
    try:
        text = page(study_all(asked.folder, asked.workers))
    except MstudyError as error:
        sys.exit(str(error))
    if asked.write:
        PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
