"""One trial: the tests of a package against a change of it, in a copy of the project."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants import recording as recording_plugin
from benchmarks.mutants import selecting as selecting_plugin
from benchmarks.mutants.child import OUTPUT, run_pytest
from benchmarks.mutants.sample import TESTS, Mutant
from benchmarks.mutants.selection import Recording, first_tests, later_tests

LIBRARY = recording_plugin.LIBRARY
RECORD_SECONDS = 1800
START_SECONDS = 60  # importing the libraries on a busy machine
SLOWER = 5  # a change that makes the tests this much slower, or hang, is noticed as well
PASSED, FAILED, NOTHING_RAN = 0, 1, 5  # exit codes of pytest
HANGS = "it hangs"
NO_IMPORT = "the tests are not collected"
_SHOWN_LETTERS = 2000
_TICKS = itertools.count(1)


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutant. by: the test that saw it; None where it lives. n_tests: how many could."""

    by: str | None
    n_tests: int


def copy_project(root: Path, target: Path) -> Path:
    """Copy the files that git knows, so that no trial touches the user's own."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, target / name)
    return target


def record(package: str, copy: Path) -> Recording:
    """Run the package's own tests in the copy and return who runs what."""
    target = (copy / "recording.json").resolve()
    target.unlink(missing_ok=True)
    folders = [str(Path("tests") / name) for name in TESTS[package]]
    code = run_pytest(copy, recording_plugin, folders, {recording_plugin.PLACE: str(target)}, RECORD_SECONDS)
    if not target.exists() or code not in (PASSED, FAILED):
        output = (copy / OUTPUT).read_text(errors="replace")[-_SHOWN_LETTERS:]
        raise SystemExit(f"the tests of {package} must run before anything is changed, found:\n{output}")
    return Recording(**json.loads(target.read_text()))


def judge(mutant: Mutant, copy: Path, recording: Recording) -> Verdict:
    """Return which test sees the mutant; then put the original back."""
    module = copy / LIBRARY / mutant.module
    first = first_tests(mutant, module.read_text(), recording)
    with changed(module, mutant.source):
        by = first_failure(copy, first, recording.seconds_of(first))
        if by is not None:
            return Verdict(by, len(first))
        later = later_tests(first, recording)
        return Verdict(first_failure(copy, later, recording.seconds_of(later)), len(first) + len(later))


def sees(mutant: Mutant, copy: Path, test: str) -> bool:
    """Return whether this test sees the mutant."""
    if not (copy / test.partition("::")[0]).is_file():
        return False
    with changed(copy / LIBRARY / mutant.module, mutant.source):
        return first_failure(copy, [test], START_SECONDS) == test


def first_failure(copy: Path, tests: list[str], seconds: float) -> str | None:
    """Return the first of the tests that fails, or what else went wrong; None where all pass.

    seconds: that they take without a change.
    """
    if not tests:
        return None
    listed = (copy / "tests.json").resolve()
    listed.write_text(json.dumps(tests))
    failure = Path(str(listed) + selecting_plugin.FAILURE)
    failure.unlink(missing_ok=True)
    files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
    code = run_pytest(
        copy, selecting_plugin, ["-x", *files], {selecting_plugin.PLACE: str(listed)}, START_SECONDS + SLOWER * seconds
    )
    if code is None:
        return HANGS
    if code in (PASSED, NOTHING_RAN):
        return None
    return failure.read_text() if failure.exists() else NO_IMPORT


@contextlib.contextmanager
def changed(module: Path, source: str) -> Iterator[None]:
    """Change a module for a while. Each change has a time of its own: its compiled file is never taken for another."""
    original, times = module.read_bytes(), module.stat()
    module.write_text(source)
    os.utime(module, (times.st_atime, times.st_mtime + next(_TICKS)))
    try:
        yield
    finally:
        module.write_bytes(original)
        os.utime(module, (times.st_atime, times.st_mtime))
