"""The finding in three sentences, written from the verdicts by rule: what speaks against, what holds, what is open.

What speaks against a claim comes first. Where nothing does, that is said last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from mstudy.core.statuses import Replication, Verdict
from mstudy.report.words import listed

Entry = dict[str, Any]  # of claims.json


@dataclass(frozen=True)
class Told:
    """A claim as a clause: that it holds, and that it does not. of_paper: False for what is asked beyond the paper."""

    holds: str
    against: str
    of_paper: bool = True


TOLD = {
    "C1": Told("SGD and SGDM train alike below the threshold", "SGD and SGDM differ below the threshold"),
    "C2": Told("SGDM is better above the threshold", "SGDM is not better above the threshold"),
    "C3": Told(
        "the advantage of momentum grows with the batch size",
        "the advantage of momentum does not grow with the batch size",
    ),
    "C4": Told(
        "SGD and SGDM part at the moment of SGD's abrupt sharpening",
        "SGD and SGDM do not part at the moment of SGD's abrupt sharpening",
    ),
    "C5": Told(
        "momentum prevents or defers abrupt sharpening", "momentum neither prevents nor defers abrupt sharpening"
    ),
    "C6": Told(
        "the best tuned SGD equals the best tuned SGDM",
        "the best tuned SGD differs from the best tuned SGDM",
        of_paper=False,
    ),
    "C7": Told(
        "the stability limit moves with the batch size as the mean-square stability law predicts",
        "the stability limit does not move with the batch size as the mean-square stability law predicts",
        of_paper=False,
    ),
    "C8": Told(
        "SGD and SGDM do not part without the abrupt sharpening",
        "SGD and SGDM part even without the abrupt sharpening",
        of_paper=False,
    ),
}


class Group(StrEnum):
    """What the runs say of a claim: the groups of the three sentences."""

    AGAINST = "against"
    HOLDS = "holds"
    UNDECIDED = "undecided"
    UNTESTED = "untested"


@dataclass(frozen=True)
class Sentence:
    """One sentence of the finding. verdict: whose colour and shape it has."""

    text: str
    verdict: Verdict


_SEEDLESS = "without enough seeds for a verdict"
_LEADS = {
    (Group.AGAINST, True, True): "against the paper, ",
    (Group.AGAINST, True, False): "beyond the paper, ",
    (Group.AGAINST, False, True): f"{_SEEDLESS}, these runs speak against the paper: ",
    (Group.AGAINST, False, False): f"{_SEEDLESS}, and beyond the paper, ",
    (Group.HOLDS, True, True): "as the paper says, ",
    (Group.HOLDS, True, False): "beyond the paper, ",
    (Group.HOLDS, False, True): f"{_SEEDLESS}, these runs agree with the paper: ",
    (Group.HOLDS, False, False): f"{_SEEDLESS}, and beyond the paper, ",
    (Group.UNDECIDED, True, True): "this study does not decide ",
    (Group.UNDECIDED, False, True): f"{_SEEDLESS}, these runs leave open ",
    (Group.UNTESTED, True, True): "this study cannot test ",
    (Group.UNTESTED, False, True): f"{_SEEDLESS}, these runs cannot test ",
}


def finding(claims: Sequence[Entry]) -> list[Sentence]:
    """Return the three sentences, in their order; none where no claim was judged. claims: claims.json."""
    if not claims:
        return []
    against = _sentence(claims, [Group.AGAINST], Verdict.CONTRADICTED, Verdict.DISAGREES)
    holds = _sentence(claims, [Group.HOLDS], Verdict.SUPPORTED, Verdict.AGREES)
    undecided = _sentence(claims, [Group.UNDECIDED, Group.UNTESTED], Verdict.INCONCLUSIVE, Verdict.UNCLEAR)
    middle = [
        holds or Sentence("No claim is shown to hold.", Verdict.INCONCLUSIVE),
        undecided or Sentence("Every claim is decided.", Verdict.SUPPORTED),
    ]
    if against is not None:
        return [against, *middle]
    return [*middle, Sentence("No claim comes out against the paper.", Verdict.SUPPORTED)]


def _sentence(
    claims: Sequence[Entry], groups: Sequence[Group], with_seeds: Verdict, without: Verdict
) -> Sentence | None:
    """Return the sentence on the claims of these groups; it looks like a verdict without seeds if none has them."""
    mine = [claim for claim in claims if group_of(claim) in groups]
    if not mine:
        return None
    judged = [claim for claim in mine if claim["verdict"] != Verdict.UNTESTABLE] or mine
    seeded = any(claim["evidence"] == Replication.REPLICATED for claim in judged)
    return Sentence(_said(mine, groups), with_seeds if seeded else without)


def group_of(claim: Entry) -> Group:
    """Return in which sentence a claim is told."""
    verdict = Verdict(claim["verdict"])
    match verdict:
        case Verdict.CONTRADICTED | Verdict.DISAGREES:
            return Group.AGAINST
        case Verdict.SUPPORTED | Verdict.MOSTLY | Verdict.AGREES:
            return Group.HOLDS
        case Verdict.INCONCLUSIVE | Verdict.UNCLEAR:
            return Group.UNDECIDED
        case Verdict.UNTESTABLE:
            return Group.UNTESTED
        case _:
            assert_never(verdict)


def _said(claims: Sequence[Entry], groups: Iterable[Group]) -> str:
    """Return one sentence on all claims of these groups, the paper's first."""
    parts = []
    for group in groups:
        mine = [claim for claim in claims if group_of(claim) is group]
        parts += [_part(group, replicated, mine) for replicated in (True, False)]
    text = "; ".join(part for part in parts if part)
    return f"{text[0].upper()}{text[1:]}."


def _part(group: Group, replicated: bool, claims: Sequence[Entry]) -> str:
    mine = [claim for claim in claims if (claim["evidence"] == Replication.REPLICATED) == replicated]
    if group in (Group.UNDECIDED, Group.UNTESTED):
        return _with_lead(_LEADS[group, replicated, True], [_clause(claim, group) for claim in mine])
    told = [
        _with_lead(
            _LEADS[group, replicated, of_paper], [_clause(c, group) for c in mine if _told(c).of_paper is of_paper]
        )
        for of_paper in (True, False)
    ]
    return "; ".join(part for part in told if part)


def _with_lead(lead: str, clauses: Sequence[str]) -> str:
    return lead + listed(clauses) if clauses else ""


def _clause(claim: Entry, group: Group) -> str:
    """Return a claim as a clause, with the bound that the ladder gives and its name."""
    told = _told(claim)
    match group:
        case Group.AGAINST:
            return f"{told.against}{_bound(claim, 'contradicts')} ({claim['id']})"
        case Group.HOLDS:
            return f"{told.holds}{_bound(claim, 'holds')} ({claim['id']})"
        case Group.UNDECIDED | Group.UNTESTED:
            return f"whether {told.holds} ({claim['id']})"
        case _:
            assert_never(group)


def _told(claim: Entry) -> Told:
    """Return the words for a claim; those of a claim that is none of the paper's eight are its own statement."""
    statement = claim["statement"].rstrip(".")
    return TOLD.get(claim["id"]) or Told(f"“{statement}” holds", f"“{statement}” does not hold", of_paper=False)


def _bound(claim: Entry, side: str) -> str:
    """Return in how many units at least, where the claim, or its contrary, is not shown of all of them together."""
    if claim["at_least"] is None or claim["verdict"] == Verdict.SUPPORTED:
        return ""
    k, m = (claim["at_least"][side][name] for name in ("k", "m"))
    return "" if k in (0, m) else f" in at least {k} of {m} {claim['n_unit']}"
