"""Is the default study decided with other seeds too?

`python -m benchmarks.error_rates.repetitions FOLDER --n 20 --write` writes benchmarks/repetitions.md. It
trains, branches and analyses the studies of params.yaml again with seeds that no other repetition has, and counts the
verdicts. FOLDER keeps the claims of each repetition, so a call that was ended goes on where it stood.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from mstudy.analyze import analyze
from mstudy.branch import branch_study
from mstudy.core.params import Params
from mstudy.core.params_file import load
from mstudy.core.statuses import Verdict
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "benchmarks" / "repetitions.md"
FIRST_SEED, APART = 12_000, 1_000  # of the repetitions; the shipped run and every trial lie below
_UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.UNTESTABLE)


def main(arguments: list[str]) -> None:
    """Repeat, count, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_rates.repetitions", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="for logs and claims; kept between calls")
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args(arguments)
    params = load(ROOT / "params.yaml")
    verdicts = []
    for k in range(asked.n):
        verdicts.append(_verdicts(params, FIRST_SEED + k * APART, asked.folder, asked.workers))
        print(verdicts[-1], flush=True)
    text = page(verdicts)
    if asked.write:
        PAGE.write_text(text)
    print(text)


def _verdicts(params: Params, first_seed: int, folder: Path, workers: int) -> dict[str, str]:
    """Return claim -> verdict of one repetition."""
    kept = folder / f"{first_seed}.json"
    if not kept.exists():
        place = folder / str(first_seed)
        _train(params, first_seed, place, workers)
        claims = analyze(place / "runs", place / "out", params.analysis, workers=workers).claims
        kept.write_text(json.dumps({name: str(claim.verdict) for name, claim in claims.items()}))
        shutil.rmtree(place)
    return dict(json.loads(kept.read_text()))


def _train(params: Params, first_seed: int, place: Path, workers: int) -> None:
    store, runs = Store(place / "store"), place / "runs"
    for name, study in params.studies.items():
        own = replace(study, first_seed=first_seed)
        train_study(name, own, store, runs / name, workers, "cpu")
        if name in params.branches:
            chosen, branches = params.branches_of(name), runs / f"{name}-branches"
            branch_study(name, own, chosen, params.analysis, store, runs / name, branches, workers, "cpu")


def page(verdicts: list[dict[str, str]]) -> str:
    """Return the page: how often each claim got each verdict."""
    kinds = [str(verdict) for verdict in Verdict if any(str(verdict) in each.values() for each in verdicts)]
    rows = [_row(claim, [each[claim] for each in verdicts], kinds) for claim in sorted(verdicts[0])]
    head = ["| claim | " + " | ".join([*kinds, "decided"]) + " |", "|---|" + "---|" * (len(kinds) + 1)]
    about = (
        f"The default study, {len(verdicts)} times with seeds of its own each time: how often each claim got each "
        "verdict. Decided: neither inconclusive nor untestable. Written by "
        "`python -m benchmarks.error_rates.repetitions FOLDER --n N --write`."
    )
    return "\n".join(["# Repetitions of the default study", "", about, "", *head, *rows]) + "\n"


def _row(claim: str, found: list[str], kinds: list[str]) -> str:
    counts = Counter(found)
    decided = len(found) - sum(counts[str(verdict)] for verdict in _UNDECIDED)
    return "| " + " | ".join([claim, *(str(counts[kind]) for kind in kinds), f"{decided} of {len(found)}"]) + " |"


if __name__ == "__main__":
    main(sys.argv[1:])
