"""Do the tests see a change? `python -m benchmarks.mutants --write` writes benchmarks/mutants.md.

A mutant is the library with one token changed, by cosmic-ray. It dies if its package's own tests fail. One that lives
and does what the original does is no failure of the tests: `equivalent.toml` has the reason for each.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from benchmarks.mutants.child import import_libraries
from benchmarks.mutants.memory import Memory
from benchmarks.mutants.sample import TESTS, Mutant
from benchmarks.mutants.trial import copy_project

ROOT = Path(__file__).parents[2]
REASONS = Path(__file__).with_name("equivalent.toml")
MEMORY = ROOT / ".mutants_cache"
MISSING = "a test is missing"
REPORT = ROOT / "benchmarks" / "mutants.md"


def main() -> None:
    """Draw, try and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found out")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    if asked.fresh:
        shutil.rmtree(MEMORY, ignore_errors=True)
    memory = Memory(MEMORY, ROOT)
    mutants = memory.sample(asked.n, asked.seed)
    lived = try_all(mutants, memory)
    text = report(mutants, lived, asked.seed)
    if asked.write:
        REPORT.write_text(text)
    print(text)


def try_all(mutants: list[Mutant], memory: Memory) -> list[Mutant]:
    """Return the mutants that lived, in the order of their packages."""
    lived = []
    import_libraries()
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_project(ROOT, Path(folder).resolve())
        for mutant in sorted(mutants, key=lambda mutant: list(TESTS).index(mutant.package)):
            verdict = memory.verdict(mutant, copy)
            lived += [mutant] if verdict.by is None else []
            place = f"{mutant.module}:{mutant.line}: {mutant.before}  ->  {mutant.after}"
            print(
                f"{'lives' if verdict.by is None else 'dies '} {place}  [{verdict.n_tests}: {verdict.by}]", flush=True
            )
    return lived


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
