"""Do the tests see a change? `python -m benchmarks.mutants --write` writes benchmarks/mutants.md.

A mutant is the library with one token changed, by cosmic-ray. It dies if its package's own tests fail. One that lives
and does what the original does is no failure of the tests: `equivalent.toml` has the reason for each.
"""

from __future__ import annotations

import argparse
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

from benchmarks.mutants.sample import Mutant, draw
from benchmarks.mutants.trial import LIBRARY, copy_project, passes, survives

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("equivalent.toml")
MISSING = "a test is missing"
REPORT = ROOT / "benchmarks" / "mutants.md"


def main() -> None:
    """Draw, try and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    mutants = draw(ROOT / LIBRARY, asked.n, asked.seed)
    lived = try_all(mutants, asked.processes)
    text = report(mutants, lived, asked.seed)
    if asked.write:
        REPORT.write_text(text)
    print(text)


def try_all(mutants: list[Mutant], n_processes: int) -> list[Mutant]:
    """Return the mutants that lived, in the order drawn. Raises SystemExit where tests fail without any change."""
    with tempfile.TemporaryDirectory() as folder:
        copies: Queue[Path] = Queue()
        for k in range(n_processes):
            copies.put(copy_project(ROOT, Path(folder) / str(k)))
        with ThreadPoolExecutor(n_processes) as pool:
            packages = sorted({mutant.package for mutant in mutants})
            for package, passed in zip(
                packages, pool.map(lambda p: _in_copy(copies, passes, p), packages), strict=True
            ):
                if not passed:
                    raise SystemExit(f"the tests of {package} must pass before anything is changed, found them failing")
            alive = list(pool.map(lambda mutant: _in_copy(copies, _try, mutant), mutants))
    return [mutant for mutant, lives in zip(mutants, alive, strict=True) if lives]


def _in_copy(copies: Queue[Path], call: Callable[[Any, Path], bool], what: object) -> bool:
    copy = copies.get()
    try:
        return call(what, copy)
    finally:
        copies.put(copy)


def _try(mutant: Mutant, copy: Path) -> bool:
    lives = survives(mutant, copy)
    print(
        "lives" if lives else "dies ", f"{mutant.module}:{mutant.line}: {mutant.before}  ->  {mutant.after}", flush=True
    )
    return lives


def report(mutants: list[Mutant], lived: list[Mutant], seed: int) -> str:
    """Return the counts of each package, and each mutant that lived with the reason where it does no harm."""
    reasons = tomllib.loads(REASONS.read_text()) if REASONS.exists() else {}
    harmless = [mutant for mutant in lived if key(mutant) in reasons]
    drawn, alive, equal = (Counter(m.package for m in group) for group in (mutants, lived, harmless))
    n = len(mutants) - len(harmless)
    dead = len(mutants) - len(lived)
    rows = [f"| {name} | {drawn[name]} | {drawn[name] - alive[name]} | {equal[name]} |" for name in sorted(drawn)]
    first = (
        f"Of {len(mutants)} single-token changes, drawn with seed {seed}, {len(harmless)} change nothing that can be "
        f"seen. Of the other {n} the tests of the changed package see {dead} ({dead / max(n, 1):.1%})."
    )
    heads = ["| package | drawn | seen | without effect |", "|---|---|---|---|"]
    alive_rows = [f"* `{m.module}:{m.line}` `{m.before}` → `{m.after}`: {reasons.get(key(m), MISSING)}" for m in lived]
    lines = ["# Mutants", "", first, "", *heads, *rows, "", "Not seen:", "", *alive_rows]
    return "\n".join(lines) + "\n"


def key(mutant: Mutant) -> str:
    """Return the name of a mutant in `equivalent.toml`; a line number would not outlive an edit."""
    return f"{mutant.module} | {mutant.before} | {mutant.after}"


if __name__ == "__main__":
    main()
