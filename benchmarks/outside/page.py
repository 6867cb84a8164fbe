"""docs/outside-data.md: what mstudy says about each study, beside what can be worked out by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from mstudy.core.statuses import Verdict

from benchmarks.outside.facts import FACTS
from benchmarks.outside.sources import DEEPOBS, PACKED, PATTERN, STABILITY, Outcome

HEAD = f"""# mstudy on other people's logs

Written by `make outside OUTSIDE=FOLDER`, which is `python -m benchmarks.outside FOLDER --write`. The command imports
public logs that nobody of this project made, analyses them with the parameters as shipped, and sets what mstudy says
beside what was worked out by hand, without mstudy. None of these logs is part of this project.

## Where the logs are

| folder | from | licence | what to put there |
| --- | --- | --- | --- |
| `{STABILITY}/` | github.com/marcwalden1/edge-of-stochastic-stability, commit f4f196e, \
`slurm_scripts/gbs_sweep/logs`: the logs behind arXiv 2604.14108 | Apache-2.0 | each text log as `NAME.out`, and \
beside it `NAME.json` with the settings of its launch script |
| `{DEEPOBS}/` | github.com/fsschneider/DeepOBS_Baselines, commit 3da285a | MIT | a folder, or a `{PACKED}` of one, \
for each problem |

Of the launch script the JSON takes `optimizer` (`SGD`), `lr`, `momentum`, `nesterov`, `batch`, `init_seed`, `num_data`,
`model`, `dataset` and `loss`. By hand the two imports are

    mstudy import text {STABILITY} --out runs/sweep --pattern '{PATTERN}'
    mstudy import deepobs {DEEPOBS}/PROBLEM --out runs/PROBLEM

and the first study is analysed with `detect.quantity: sharpness` in the parameter file, because it logs λ_max and not
the curvature along the update.

## How to read the tables

"By hand" is what the losses themselves say; the number in brackets is how far mstudy may be away from it. A threshold
agrees where mstudy's interval meets the bracket found by hand. Where a study has one seed a cell, mstudy says `agrees`,
`disagrees` or `unclear` with the evidence `unreplicated`; that is never `supported`.

Errors stop the import or the analysis, and none of these studies has one. Logs put together in other ways meet two
often: the runs of a pair must state the same `n_train`, and must be equally long unless one diverged. Their losses are
of different things otherwise. `--skip-bad` leaves such runs out and counts them; docs/validation.md has every rule.
"""
ABOUT = {
    STABILITY: """SGD (η 0.01), heavy ball and Nesterov (η 0.001, μ 0.9), so η_ef = 0.01 in all runs; b = 8, 64, 256 and
1024; one seed; a perceptron with squared error on 8,192 images of CIFAR-10, 150,000 steps. λ_max and the loss are both
measured every 256 steps on a random part of 2,048 images, so λ_max scatters by about 3 %.""",
    "quadratic_deep": """SGD and heavy ball (μ 0.99) at 36 learning rates, b = 128, one seed each and ten seeds at each
optimizer's best rate, which are different η_ef: so no pair of equal η_ef has more than one seed.""",
    "cifar10_3c3d": """A convolutional network; the design is that of `quadratic_deep`. The losses by hand are over the
last eleven epochs, which is what the last tenth of the steps holds. In the first of these the loss of SGD has a spike:
over the last ten alone the ratio is 0.055 instead of 0.070 at η_ef = 0.0251, and 0.073 instead of 0.104 at 0.0398.
The bracket of the threshold is that of the rates at which SGDM is clearly better and SGD still trains, or has just
ceased to; at 0.0158 the ratio is already 0.047, nearly the margin of 0.05, which puts mstudy's estimate below it.""",
}
WARNINGS = {
    "curvature-missing": "No curvature was logged that could be judged: C4 and C5 cannot be tested.",
    "curvature-not-judged": "Another curvature was logged than `detect.quantity` names.",
    "single-seed": "Cells with one seed have no interval over seeds.",
    "chosen-rates": "Ten seeds were trained only at the rate that one seed had chosen.",
    "sgd-unpaired": "These runs of SGD have no run of SGDM with the same η_ef and seed. They make no pair.",
    "sgdm-unpaired": "These runs of SGDM have no run of SGD with the same η_ef and seed. They make no pair.",
}
_LIKE = "; these are the numbers of the first"
AGAINST = (Verdict.CONTRADICTED, Verdict.DISAGREES)


def page(outcomes: Sequence[Outcome]) -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, _summary(outcomes), *map(_study, outcomes)])


def _summary(outcomes: Sequence[Outcome]) -> str:
    counts = [row[-1] for each in outcomes for row in _compared(each)]
    n_agree = sum(cell.startswith("agrees") for cell in counts)
    return f"""## In short

{n_agree} of {len(counts)} facts worked out by hand agree with mstudy.
{_against(outcomes)}
"""


def _against(outcomes: Sequence[Outcome]) -> str:
    told = [
        f"`{each.source.name}` contradicts {claim.id} of the paper ({claim.statement.rstrip('.')}): {claim.verdict}."
        for each in outcomes
        for claim in each.result.claims.values()
        if claim.verdict in AGAINST
    ]
    return "\n".join(told) or "No study here contradicts a claim of the paper."


def _study(outcome: Outcome) -> str:
    name = outcome.source.name
    facts = _compared(outcome)
    compared = _table(("worked out", "by hand", "mstudy", ""), facts) if facts else "Nothing was worked out by hand.\n"
    return f"""## `{name}`

{ABOUT.get(name, "A problem of DeepOBS.")}

{_import(outcome)}
{_warnings(outcome)}
### Beside what was worked out by hand

{compared}
### What mstudy says

{_table(("claim", "verdict", "evidence", "reason"), list(_claims(outcome)))}"""


def _compared(outcome: Outcome) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    facts = FACTS[outcome.source.name]() if outcome.source.name in FACTS else ()
    for fact in facts:
        got = fact.compare(outcome.result)
        agrees = "agrees" if got.agrees else "**does not agree**"
        rows.append((fact.what, fact.by_hand, got.found, f"{agrees}; {got.remark}" if got.remark else agrees))
    return rows


def _claims(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for claim in outcome.result.claims.values():
        evidence = "" if claim.verdict == Verdict.UNTESTABLE else str(claim.evidence)
        yield f"{claim.id}: {claim.statement}", str(claim.verdict), evidence, claim.reason


def _import(outcome: Outcome) -> str:
    """Say what the importer read, and each kind of note with how many runs have it."""
    kinds: dict[str, list[str]] = {}
    for note in (note for run in outcome.plan.runs.values() for note in run.notes):
        kinds.setdefault(re.sub(r"\d+", "N", note), []).append(note)
    lines = [
        f"Imported by `mstudy import {outcome.source.kind}`: {len(outcome.plan.runs)} runs. What it said of runs:\n"
    ]
    lines += [f"* {some[0]} ({len(some)} runs{_LIKE if len(set(some)) > 1 else ''})" for some in kinds.values()]
    lines += [f"* left out: {name}: {reason}" for name, reason in outcome.plan.problems.items()]
    return "\n".join(lines) + "\n"


def _warnings(outcome: Outcome) -> str:
    counts = Counter((problem.severity, problem.rule) for problem in outcome.result.logs.problems)
    lines = [
        f"* {severity} `{rule}` ({n} times). {WARNINGS.get(rule, 'docs/validation.md explains it.')}"
        for (severity, rule), n in sorted(counts.items())
    ]
    return "\n".join(["What `mstudy validate` says:\n", *lines, ""]) if lines else "`mstudy validate` finds nothing.\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
