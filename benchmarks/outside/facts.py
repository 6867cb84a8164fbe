"""What can be worked out by hand from the public logs, apart from mstudy, and whether mstudy agrees with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mstudy.analysis_result import AnalysisResult

from benchmarks.outside import found
from benchmarks.outside.sources import STABILITY

NEVER = "never"
_NAMES = {"sgd": "SGD", "heavy_ball": "heavy ball", "nesterov": "Nesterov"}


@dataclass(frozen=True)
class Compared:
    """What mstudy found, and whether it agrees. remark: why they are not the same number, if they are not."""

    found: str
    agrees: bool
    remark: str = ""


@dataclass(frozen=True)
class Fact:
    """One thing worked out by hand, and the comparison with an analysis."""

    what: str
    by_hand: str
    compare: Callable[[AnalysisResult], Compared]


def number(what: str, by_hand: float, error: float, ask: Callable[[AnalysisResult], float | None]) -> Fact:
    """Return a fact that agrees where mstudy's number is at most `error` away."""

    def compare(result: AnalysisResult) -> Compared:
        value = ask(result)
        return Compared(shown(value), value is not None and abs(value - by_hand) <= error)

    return Fact(what, f"{shown(by_hand)} (± {error:g})", compare)


def step(what: str, by_hand: int | None, ask: Callable[[AnalysisResult], float | None]) -> Fact:
    """Return a fact that agrees where mstudy's step is the same, or where both say never."""

    def compare(result: AnalysisResult) -> Compared:
        value = ask(result)
        return Compared(_step(value), value == by_hand)

    return Fact(what, _step(by_hand), compare)


def bound(what: str, most: float, ask: Callable[[AnalysisResult], float | None]) -> Fact:
    """Return a fact that agrees where mstudy's number is at most so large."""

    def compare(result: AnalysisResult) -> Compared:
        value = ask(result)
        return Compared(shown(value), value is not None and abs(value) <= most)

    return Fact(what, f"within ± {most:g}", compare)


def between(what: str, low: float, high: float) -> Fact:
    """Return a fact that agrees where the interval of mstudy's threshold meets the bracket found by hand."""

    def compare(result: AnalysisResult) -> Compared:
        interval = found.threshold(result)
        if interval is None:
            return Compared("none", False)
        value, least, most = interval
        inside = low <= value <= high
        remark = "" if inside else f"the estimate itself lies outside, by a factor {max(low / value, value / high):.2f}"
        return Compared(f"{value:.3g} [{least:.3g}, {most:.3g}]", least <= high and most >= low, remark)

    return Fact(what, f"in [{low:g}, {high:g}]", compare)


def verdict(claim: str, by_hand: str, right: tuple[str, ...]) -> Fact:
    """Return a fact that agrees where the verdict on a claim is one of those that it allows."""

    def compare(result: AnalysisResult) -> Compared:
        given = str(result.claims[claim].verdict)
        return Compared(given, given in right)

    return Fact(f"verdict on {claim}", f"{by_hand}: {' or '.join(right)}", compare)


def shown(value: float | None) -> str:
    """Return a number as the page writes it."""
    return "none" if value is None else f"{value:.3g}"


def _step(value: float | None) -> str:
    return NEVER if value is None else f"{value:,.0f}"


def _stability() -> tuple[Fact, ...]:
    ratios = {8: 0.032, 64: 1.02, 256: 1.99, 1024: 2.85}
    crossings: dict[str, dict[int, int | None]] = {
        "sgd": {8: None, 64: 25_088, 256: 6_656, 1024: 4_608},
        "heavy_ball": {256: None, 1024: 20_992},
        "nesterov": {256: 10_240, 1024: 7_680},
    }
    heavy_ball = {b: partial(found.log_ratio, optimizer="heavy_ball", batch_size=b, eta_ef=0.01) for b in ratios}
    return (
        *(number(f"log L_SGD / L_heavy_ball, b = {b}", r, 0.01, heavy_ball[b]) for b, r in ratios.items()),
        bound("SGD and heavy ball alike at b = 8 (margin 0.05)", 0.05, heavy_ball[8]),
        number("slope of heavy ball per doubling of b", 0.406, 0.002, partial(found.slope, optimizer="heavy_ball")),
        number("its one-sided p", 0.002, 0.0005, partial(found.slope_p, optimizer="heavy_ball")),
        number("slope of Nesterov per doubling of b", 0.178, 0.002, partial(found.slope, optimizer="nesterov")),
        number("its one-sided p", 0.08, 0.005, partial(found.slope_p, optimizer="nesterov")),
        verdict("C3", "both slopes rise, one surely", ("agrees",)),
        *(
            step(
                f"first λ_max above the stability line, {_NAMES[optimizer]}, b = {b}",
                first,
                partial(found.crossing, optimizer=optimizer, batch_size=b),
            )
            for optimizer, firsts in crossings.items()
            for b, first in firsts.items()
        ),
    )


def _cell(eta_ef: float, by_hand: float) -> Fact:
    ask = partial(found.log_ratio, optimizer="heavy_ball", batch_size=128, eta_ef=eta_ef)
    return number(f"log L_SGD / L_SGDM, η_ef = {eta_ef:.3g}", by_hand, 0.001, ask)


def _quadratic() -> tuple[Fact, ...]:
    return (
        bound(
            "log L_SGD / L_SGDM up to η_ef = 0.0251, largest size", 0.01, partial(found.largest_ratio, below=0.0251189)
        ),
        number("lowest η_ef at which SGD diverges", 0.0398, 0.0002, found.first_diverged),
        number("highest η_ef at which SGDM trains", 6.3, 0.02, found.last_trained),
        between("threshold", 0.025, 0.040),
        verdict("C1", "alike below", ("agrees",)),
        verdict("C2", "SGD diverges above, SGDM trains", ("agrees",)),
    )


def _cifar() -> tuple[Fact, ...]:
    cells = {0.001: -0.002, 0.00630957: 0.020, 0.0158489: 0.047, 0.0251189: 0.070, 0.0398107: 0.104, 0.0630957: 0.072}
    return (
        *(_cell(eta_ef, by_hand) for eta_ef, by_hand in cells.items()),
        number("lowest η_ef at which SGD diverges", 0.1, 0.0002, found.first_diverged),
        number("highest η_ef at which SGDM trains", 1.58, 0.01, found.last_trained),
        between("threshold", 0.02, 0.1),
        verdict("C1", "alike at low rates", ("agrees",)),
        verdict("C2", "SGD diverges above, SGDM trains", ("agrees",)),
    )


FACTS: dict[str, Callable[[], tuple[Fact, ...]]] = {
    STABILITY: _stability,
    "quadratic_deep": _quadratic,
    "cifar10_3c3d": _cifar,
}
