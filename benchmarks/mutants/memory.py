"""What was found out, kept in a folder that git ignores: a run that was ended goes on where it stood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.mutants.sample import TESTS, Mutant, draw
from benchmarks.mutants.selection import Recording
from benchmarks.mutants.trial import LIBRARY, Verdict, judge, record, sees


class Memory:
    """The recordings and verdicts of earlier runs.

    A verdict is as good as new where the library and the package's tests are the same. Where they are others, a mutant
    that a test saw is shown to this test once more, and only one that lived, or that this test no longer sees, to all.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder = folder
        self._root = root
        folder.mkdir(exist_ok=True)

    def sample(self, n: int, seed: int) -> list[Mutant]:
        """Return the n mutants that a seed draws."""
        library = self._root / LIBRARY
        path = self._folder / f"sample-{n}-{seed}-{self._digest_of(library.rglob('*.py'))}.json"
        if not path.exists():
            path.write_text(json.dumps([asdict(mutant) for mutant in draw(library, n, seed)]))
        return [Mutant(**mutant) for mutant in json.loads(path.read_text())]

    def recording(self, package: str, copy: Path) -> Recording:
        """Return who runs what in the package's tests."""
        path = self._folder / f"{package}-{self._code(package)}.json"
        if not path.exists():
            path.write_text(json.dumps(asdict(record(package, copy))))
        return Recording(**json.loads(path.read_text()))

    def verdict(self, mutant: Mutant, copy: Path) -> Verdict:
        """Return the verdict on a mutant, found out where it is not known."""
        path = self._folder / f"verdict-{_digest(mutant.module, mutant.before, mutant.after)}.json"
        code = self._code(mutant.package)
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.get("code") == code and known.get("line") == mutant.line:
            return Verdict(known["by"], known["n_tests"])
        verdict = self._new(mutant, copy, known.get("by"))
        path.write_text(json.dumps(asdict(verdict) | {"code": code, "line": mutant.line}))
        return verdict

    def _new(self, mutant: Mutant, copy: Path, by: str | None) -> Verdict:
        if by is not None and sees(mutant, copy, by):
            return Verdict(by, 1)
        return judge(mutant, copy, self.recording(mutant.package, copy))

    def _code(self, package: str) -> str:
        """Return a digest of the library, of the package's tests and of what they share."""
        tests = self._root / "tests"
        shared = [path for path in tests.glob("*.py") if not path.name.startswith("test_")]
        files = [*(self._root / LIBRARY).rglob("*.py"), *shared]
        files += [path for name in TESTS[package] for path in (tests / name).rglob("*.py")]
        return self._digest_of(files)

    def _digest_of(self, files: Iterable[Path]) -> str:
        names = {path.relative_to(self._root).as_posix(): path for path in files}
        return _digest(*(part for name in sorted(names) for part in (name, names[name].read_text())))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
