"""One trial: the tests of a package against a change of it, in a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.mutants.sample import TESTS, Mutant

TIMEOUT_SECONDS = 600  # a change that makes the tests hang is noticed as well
LIBRARY = Path("pipeline") / "mstudy"


def copy_project(root: Path, target: Path) -> Path:
    """Copy the files that git knows, so that no trial touches the user's own."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)
    return target


def passes(package: str, copy: Path) -> bool:
    """Return whether the package's own tests pass in the copy."""
    tests = [str(Path("tests") / name) for name in TESTS[package]]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    # Without compiled files: a changed source of the same size and second would be taken for the old one.
    places = {"PYTHONPATH": str((copy / "pipeline").resolve()), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=copy, capture_output=True, env=os.environ | places, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def survives(mutant: Mutant, copy: Path) -> bool:
    """Return whether the package's own tests pass although it was changed; then put it back."""
    module = copy / LIBRARY / mutant.module
    original = module.read_bytes()
    module.write_text(mutant.source)
    try:
        return passes(mutant.package, copy)
    finally:
        module.write_bytes(original)
