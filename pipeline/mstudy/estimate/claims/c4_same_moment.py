"""C4: whether SGD and SGDM part at the moment of SGD's abrupt sharpening."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

from mstudy.core.generators import generator_for
from mstudy.core.params import Estimate
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims.claim import Answer, Claim, Power, untestable
from mstudy.estimate.claims.evidence import Evidence
from mstudy.estimate.claims.power import COUNTS, TARGET_POWER, bisect_power, first_count
from mstudy.estimate.claims.small_studies.events import moments_seen, unmeasured
from mstudy.estimate.event_times.coincidence import EQUIVALENCE, PERMUTATION, SHARED, times_of
from mstudy.estimate.event_times.coincidence_tests import Lag, Times, centred, lag_over_blocks
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.tables.contracts import ALIGNMENT, OPENINGS, PARTINGS, SHARPENING_EVENTS
from mstudy.tables.table import CELL

_EXPERIMENTS = 1000  # fewer where each has many blocks
_MIN_EXPERIMENTS = 100
_BLOCKS_DRAWN = 30_000  # over all experiments
_MIN_LAG_SD = 1e-3  # of a block's log lag
_MAX_CORRELATION = 0.999
_MAX_LOG_RATIO = 20.0


def judge_same_moment(evidence: Evidence, estimate: Estimate) -> Answer:
    """Judge C4: the times must be associated across seeds within blocks, and the typical lag must be small.

    Contradicted where the lag's interval lies beyond the tolerance, or where seeds whose times can be told apart surely
    share less than `min_shared` of their deviations.
    """
    rows = {row["statistic"]: row for row in evidence[ALIGNMENT].iter_rows(named=True)}
    permutation, equivalence, shared = rows[PERMUTATION], rows[EQUIVALENCE], rows[SHARED]
    n, n_pairs = int(permutation["n_cells"]), int(permutation["n_pairs"])
    if permutation["p_value"] is None or equivalence["p_value"] is None or n < estimate.min_cells:
        why = unmeasured(evidence) or _missing_blocks(permutation, _largest_cell(evidence), estimate)
        return untestable(why, n, "blocks", moments_seen(evidence))
    low, high = permutation["lag_low"], permutation["lag_high"]
    verdict, why = _verdict(permutation, equivalence, shared, estimate)
    reason = (
        f"The gap opens at {math.exp(equivalence['estimate']):.2f} [{ratio_of(low):.2f}, {ratio_of(high):.2f}] times "
        f"the step of sharpening; association within blocks p = {permutation['p_value']:.3g}, lag within "
        f"{estimate.lag_tolerance:.0%} p = {equivalence['p_value']:.3g} ({permutation['n_moments']} openings "
        f"of {n_pairs} pairs in {n} blocks, each with the rise of its kind; of {permutation['n_parted_seen']} pairs "
        f"that part and could have been seen to sharpen){why}."
    )
    return Answer(
        verdict,
        reason if verdict != Verdict.UNTESTABLE else f"Not testable here: {reason[0].lower()}{reason[1:]}",
        n=n,
        n_unit="blocks",
        estimate=math.exp(equivalence["estimate"]),
        ci=(ratio_of(low), ratio_of(high)),
        unit="step of parting / step of sharpening",
        p_value=max(permutation["p_value"], equivalence["p_value"]),
        rows=(PERMUTATION, EQUIVALENCE, SHARED),
    )


def ratio_of(log: float) -> float:
    """Return the ratio of a log; of few blocks and a small level an interval may reach beyond any number."""
    return math.exp(max(-_MAX_LOG_RATIO, min(log, _MAX_LOG_RATIO)))


def coincidence_power(evidence: Evidence, estimate: Estimate) -> Power:
    """Simulate the test of association, and find how many blocks the test of the lag needs.

    The effect is the correlation, over the seeds of a cell, of the two log times.
    """
    times = times_of(aligned_pairs(evidence[OPENINGS], evidence[SHARPENING_EVENTS]))
    n_blocks, n_seeds = len(np.unique(times.block)), _seeds_per_cell(times)
    if n_blocks < 2 or n_seeds < 2:
        note = "not estimable: both events were seen in fewer than two blocks with two seeds"
        return Power(note, n_units=n_blocks, replicate="blocks")
    observed = _correlation_within(times)
    rng = generator_for("power", estimate.seed)

    def power(rho: float, seeds: int, blocks: int) -> float:
        return association_power(rho, seeds, blocks, estimate.alpha, rng)

    needed_seeds = needed_blocks = None
    if observed > 0:
        needed_seeds = first_count(lambda seeds: power(observed, seeds, n_blocks) >= TARGET_POWER)
        needed_blocks = first_count(lambda blocks: power(observed, n_seeds, blocks) >= TARGET_POWER)
    lag = lag_over_blocks(times)
    lag_blocks = None if lag is None else blocks_for_equivalence(lag, n_blocks, estimate)
    return Power(
        n_seeds=n_seeds,
        n_units=n_blocks,
        replicate="blocks",
        effect_80=bisect_power(lambda rho: power(rho, n_seeds, n_blocks), 0.0, _MAX_CORRELATION),
        unit="correlation of the two log times over the seeds of a cell",
        observed=observed,
        seeds_needed=needed_seeds if lag_blocks is not None and lag_blocks <= n_blocks else None,
        units_needed=None if needed_blocks is None or lag_blocks is None else max(needed_blocks, lag_blocks),
        note=_lag_note(lag, lag_blocks, n_blocks),
    )


def association_power(rho: float, n_seeds: int, n_blocks: int, alpha: float, rng: np.random.Generator) -> float:
    """Simulate the power of exchanging seeds within blocks.

    Each p-value is the normal approximation of its exchanges: under exchange the sum over blocks of S_xy has mean 0 and
    variance sum S_xx S_yy / (n - 1).
    """
    n_experiments = min(_EXPERIMENTS, max(_MIN_EXPERIMENTS, _BLOCKS_DRAWN // n_blocks))
    first, own = rng.normal(size=(2, n_experiments, n_blocks, n_seeds))
    second = rho * first + np.sqrt(1 - rho**2) * own
    x, y = (values - values.mean(axis=-1, keepdims=True) for values in (first, second))
    variance = ((x**2).sum(axis=-1) * (y**2).sum(axis=-1)).sum(axis=-1) / (n_seeds - 1)
    z = (x * y).sum(axis=(-2, -1)) / np.sqrt(variance)
    return float((z > stats.norm.ppf(1 - alpha)).mean())


def blocks_for_equivalence(lag: Lag, n_blocks: int, estimate: Estimate) -> int | None:
    """Return the blocks that the two one-sided tests need at the observed lag, if dated as well as the present ones."""
    sd = max(lag.error * n_blocks**0.5, _MIN_LAG_SD)
    tolerance = estimate.lag_tolerance
    distances = np.log1p(tolerance) - lag.mean, lag.mean - np.log1p(-tolerance)

    def enough(k: int) -> bool:
        critical = stats.t.ppf(1 - estimate.alpha, k - 1)
        return bool(sum(stats.nct.sf(critical, k - 1, d / sd * k**0.5) for d in distances) - 1 >= TARGET_POWER)

    return first_count(enough)


def _verdict(
    permutation: dict[str, Any], equivalence: dict[str, Any], shared: dict[str, Any], estimate: Estimate
) -> tuple[Verdict, str]:
    """Return the verdict, and what to add to the reason."""
    tolerance, alpha = estimate.lag_tolerance, estimate.alpha
    if permutation["lag_low"] > math.log1p(tolerance) or permutation["lag_high"] < math.log1p(-tolerance):
        return Verdict.CONTRADICTED, "; the interval of the lag lies beyond the tolerance"
    associated = permutation["p_value"] <= alpha
    if associated and equivalence["p_value"] <= alpha:
        return Verdict.SUPPORTED, ""
    reliability = min(permutation[f"reliability_{event}"] or 0.0 for event in ("parting", "sharpening"))
    if not associated and reliability < estimate.min_reliability:
        return Verdict.UNTESTABLE, (
            f"; the seeds' times differ by hardly more than their errors of estimate (reliability {reliability:.2f}, "
            f"at least {estimate.min_reliability:g} is needed), so only an intervention could tell"
        )
    upper = shared["estimate_high"]
    if not associated and upper is not None and upper < estimate.min_shared * permutation["reliability_sharpening"]:
        return Verdict.CONTRADICTED, (
            f"; a seed whose sharpening is late does not part late: the two share {shared['estimate']:.2f} "
            f"[{shared['estimate_low']:.2f}, {upper:.2f}] of its deviation"
        )
    return Verdict.INCONCLUSIVE, ""


def _largest_cell(evidence: Evidence) -> int:
    """Return the largest number of pairs that a cell has."""
    return int(evidence[PARTINGS].group_by(CELL).len()["len"].max() or 0)  # type: ignore[arg-type]  # a count


def _missing_blocks(row: dict[str, Any], n_seeds: int, estimate: Estimate) -> str:
    remedy = "a finer grid of eta_ef near the threshold" if n_seeds != 1 else "more seeds of each cell"
    return (
        f"both events were seen in {row['n_pairs']} pairs of {row['n_cells']} blocks (batch size and eta_ef), while "
        f"{row['n_parted']} pairs part; at least {estimate.min_cells} blocks in which both times differ between "
        f"seeds are needed; {remedy} would give them"
    )


def _lag_note(lag: Lag | None, needed: int | None, n_blocks: int) -> str:
    if lag is None:
        return "not estimable: the blocks do not differ in their lag"
    if needed is None:
        return f"to call a lag of {np.expm1(lag.mean):+.0%} small, over {COUNTS[-1]} blocks like these would be needed"
    if needed > n_blocks:
        return f"more seeds alone do not settle it: to call the lag small, {needed} blocks are needed"
    return "association within blocks; the blocks at hand suffice to call the lag small"


def _seeds_per_cell(times: Times) -> int:
    """Return the median number of pairs in a cell."""
    pairs = np.unique(np.stack([times.cell, times.seed]), axis=1)
    counts = np.unique(pairs[0], return_counts=True)[1]
    return int(np.median(counts)) if len(counts) else 0


def _correlation_within(times: Times) -> float:
    x, y = (centred(values, times.kind, times.weight) for values in (times.sharpening, times.parting))
    w = times.weight
    norms = float(np.sqrt((w @ x**2) * (w @ y**2)))
    return float((w * x) @ y) / norms if norms > 0 else 0.0


CLAIM = Claim(
    id="C4",
    statement="SGD and SGDM part at the moment of SGD's abrupt sharpening.",
    table=ALIGNMENT,
    judge=judge_same_moment,
    power=coincidence_power,
)
