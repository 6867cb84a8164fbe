"""Truth: small studies by hand: three rates, one seed, nothing at all; planted sweeps of one seed."""

import numpy as np
import polars as pl
import pytest
from mstudy.compare.advantage import measure_advantage
from mstudy.core.params import Compare, Estimate, Margins
from mstudy.core.statuses import Verdict
from mstudy.estimate.claims import c4_same_moment, c5_deferred
from mstudy.estimate.claims.all_claims import ALL_CLAIMS, list_units
from mstudy.estimate.claims.c1_c2_cells import judge_above, judge_below
from mstudy.estimate.claims.c3_batch_trend import judge_batch_trend
from mstudy.estimate.claims.c6_best import judge_best
from mstudy.estimate.claims.c7_law import judge_law
from mstudy.estimate.claims.claim import Answer, without_seeds
from mstudy.estimate.claims.closed_testing import hommel_h, surely_true, surely_true_of
from mstudy.estimate.claims.small_studies.events import moments_seen, runs_sharpened
from mstudy.estimate.claims.small_studies.words import advantage_sentence, cell_name, single_seeds_sentence
from mstudy.estimate.rates.best import compare_best
from mstudy.estimate.rates.placements import place_cells
from mstudy.estimate.rates.thresholds import estimate_thresholds
from mstudy.estimate.rates.trends import measure_trends
from mstudy.estimate.rates.unreplicated_cells import measure_over_rates
from mstudy.pairs.rate_lines import rate_lines
from mstudy.tables.contracts import (
    ADVANTAGE,
    DEFERRAL,
    OPENINGS,
    PARTINGS,
    SHARPENING_EVENTS,
    SHARPENINGS,
    STABILITY_LIMITS,
    TRENDS,
)
from mstudy.tables.table import CELL

from benchmarks.error_rates.evidence import evidence_of
from tests.estimate.tables import SETTING, runs_of
from tests.estimate.test_claims import NO_ALIGNMENT

WOBBLE = (0.0, 0.001, -0.001, 0.002, -0.002)
RATES = [float(rate) for rate in 0.01 * 2.0 ** np.arange(10)]


def evidence(ratio_of, rates, n_seeds, batch_sizes=(256,)):
    """All tables that C1, C2, C3 and C6 rest on; SGDM's loss is 1, log L_SGD is the ratio, None where SGD diverged."""

    def loss(b, rate, mu, seed):
        ratio = 0.0 if mu > 0 else ratio_of(b, rate, seed)
        return None if ratio is None else float(np.exp(ratio))

    runs = runs_of(loss, rates, n_seeds, batch_sizes)
    lines = rate_lines(runs, Margins())
    thresholds = estimate_thresholds(lines, Margins(), Estimate())
    return evidence_of(
        thresholds=thresholds,
        placements=place_cells(lines, Margins(), Estimate()),
        unreplicated_cells=measure_over_rates(lines, Margins(), Estimate()),
        advantage=measure_advantage(runs, Margins(), Compare()),
        trends=measure_trends(lines, thresholds, STABILITY_LIMITS.frame([]), Estimate()),
        best=compare_best(runs, Margins(), Estimate()),
    )


def three_rates():
    """Behind by 0.049 with a spread, alike, ahead by 0.058 with a spread: as in a first study of three seeds."""
    spread = {0.05: (-0.041, -0.043, -0.063), 0.2: (-0.005, -0.004, -0.006), 0.8: (0.021, 0.067, 0.086)}
    return evidence(lambda b, rate, seed: spread[rate][seed], [0.05, 0.2, 0.8], 3)


def test_three_rates_are_told_cell_by_cell():
    below, above = judge_below(three_rates(), Estimate()), judge_above(three_rates(), Estimate())

    assert (below.verdict, above.verdict) == ("inconclusive", "inconclusive")
    assert "alike at b = 256, eta_ef = 0.2, mu = 0.9: -0.005" in below.reason
    assert "undecided at b = 256, eta_ef = 0.05, mu = 0.9: -0.049" in below.reason
    assert "eta_ef = 0.8, mu = 0.9: +0.058" in below.reason
    assert (below.at_least.holds.k, below.at_least.holds.m, below.evidence) == (1, 3, "replicated")
    assert (above.at_least.holds.k, above.at_least.holds.m) == (0, 3)
    assert below.reason.index("What is missing for a verdict:") > below.reason.index("undecided")


def test_what_is_better_or_worse_is_named():
    """Three rates far from the margin: the bracket is told too."""
    found = evidence(lambda b, rate, seed: {0.1: -0.5, 0.2: 0.0, 0.4: 0.5}[rate] + WOBBLE[seed], [0.1, 0.2, 0.4], 3)
    reason = judge_above(found, Estimate()).reason

    assert "SGDM is better at b = 256, eta_ef = 0.4" in reason
    assert "SGD is better at b = 256, eta_ef = 0.1" in reason
    assert "SGDM begins to be better between eta_ef = 0.2 and 0.4 (b = 256, mu = 0.9). What is missing" in reason


def test_one_seed_and_few_rates_know_where_sgd_ceases_to_train():
    found = evidence(lambda b, rate, seed: None if rate > 0.3 else 0.0, [0.1, 0.2, 0.4], 1)
    answer = judge_above(found, Estimate())

    assert (answer.verdict, answer.evidence) == ("unclear", "unreplicated")
    assert answer.reason.startswith("SGDM begins to be better between eta_ef = 0.2 and 0.4 (b = 256, mu = 0.9). With")


def test_a_bracket_does_not_hide_that_sgdm_is_worse_below_it():
    found = evidence(lambda b, rate, seed: None if rate > 0.3 else -0.2, [0.1, 0.2, 0.4], 1)
    answer = judge_below(found, Estimate())

    assert answer.verdict == "unclear"
    assert "log L_SGD / L_SGDM is -0.200 at b = 256, eta_ef = 0.1, mu = 0.9, -0.200 at b = 256" in answer.reason
    assert "What is missing for a verdict: no cell lies below an estimated threshold" in answer.reason


def test_one_rate_has_no_best_but_a_ratio():
    found = evidence(lambda b, rate, seed: 0.3 + WOBBLE[seed], [0.1], 3)

    assert judge_best(found, Estimate()).reason.startswith(
        "log L_SGD / L_SGDM is +0.300 to +0.300 over 1 eta_ef at b = 256, mu = 0.9. Not testable here: no line of"
    )


def test_nothing_known_is_untestable():
    answer = judge_below(evidence(lambda b, rate, seed: 0.0, [0.1], 1), Estimate())

    assert (answer.verdict, answer.at_least, answer.n) == ("untestable", None, 0)
    # The one number that is there comes first.
    assert answer.reason.startswith(
        "With fewer than 3 seeds a cell, and so without an interval, log L_SGD / L_SGDM is +0.000 at b = 256, "
        "eta_ef = 0.1, mu = 0.9. Not testable here: no cell lies below an estimated threshold"
    )


@pytest.mark.parametrize(
    ("judge", "ratio", "side"),
    [
        (judge_below, 0.5, "below the threshold: SGDM is better at the lowest"),
        (judge_above, 0.0, "above the threshold"),
    ],
)
def test_a_grid_on_one_side_of_the_threshold_says_which_side_is_missing(judge, ratio, side):
    answer = judge(evidence(lambda b, rate, seed: ratio + WOBBLE[seed], RATES[:5], 5), Estimate())

    assert answer.verdict == "untestable"
    assert f"What is missing for a verdict: a learning rate {side}" in answer.reason


def hinge(rng, sd=0.004, slope=0.3, knee=0.1):
    return lambda b, rate, seed: slope * max(np.log(rate / knee), 0.0) + rng.normal(0, sd)


def test_one_seed_agrees_with_what_was_planted():
    found = evidence(hinge(np.random.default_rng(0)), [0.005 * 1.5**k for k in range(14)], 1)
    below, above = judge_below(found, Estimate()), judge_above(found, Estimate())

    assert (below.verdict, above.verdict) == ("agrees", "agrees")
    assert (below.evidence, above.evidence) == ("unreplicated", "unreplicated")
    assert "with an interval over learning rates and not over seeds, is eta_ef = " in below.reason
    assert below.reason.endswith("For a verdict, each cell needs at least 3 seeds.")


def test_one_seed_disagrees_where_sgdm_is_worse():
    """Worse by 0.3 at the three lowest rates, where C1 asks for equality."""
    rise = hinge(np.random.default_rng(0))
    found = evidence(lambda b, rate, seed: rise(b, rate, seed) - 0.3 * (rate < 0.045), RATES, 1)

    assert judge_below(found, Estimate()).verdict == "disagrees"


def test_one_seed_is_seldom_wrong():
    """No advantage anywhere and noise: nothing agrees with C2 in more than a few of 60 sweeps."""
    rng = np.random.default_rng(0)
    found = [judge_above(evidence(lambda b, rate, seed: rng.normal(0, 0.02), RATES, 1), Estimate()) for _ in range(60)]

    assert sum(answer.verdict == "agrees" for answer in found) <= 6
    assert "supported" not in {answer.verdict for answer in found}


@pytest.mark.parametrize(("slope", "verdict"), [(0.2, "agrees"), (-0.2, "disagrees"), (0.0, "disagrees")])
def test_a_trend_of_one_seed(slope, verdict):
    """One rate, four batch sizes, one seed: nearly a straight line against log2 b; 0 is shown to be below 0.02."""
    ratio = {8: 0.0, 16: slope + 0.003, 32: 2 * slope, 64: 3 * slope - 0.003}
    answer = judge_batch_trend(evidence(lambda b, rate, seed: ratio[b], [0.1], 1, tuple(ratio)), Estimate())

    assert (answer.verdict, answer.evidence) == (verdict, "unreplicated")
    assert answer.reason.endswith("Some cells have fewer than 3 seeds, so this is no verdict.")


@pytest.mark.parametrize(("n_seeds", "verdict"), [(1, "unclear"), (3, "inconclusive")])
def test_a_disadvantage_that_shrinks_with_b_is_no_advantage_that_grows(n_seeds, verdict):
    """One rate: SGDM is behind by 0.6 at b = 8, and still at just the margin at b = 64."""
    ratio = {8: -0.6, 16: -0.403, 32: -0.197, 64: 0.0}
    found = evidence(lambda b, rate, seed: ratio[b] + WOBBLE[seed], [0.1], n_seeds, tuple(ratio))
    answer = judge_batch_trend(found, Estimate())

    assert answer.estimate > 0.1 and answer.p_value < 0.001
    assert answer.verdict == verdict
    assert "At the largest batch size SGDM is not ahead by more than 0.05 (+0.000, heavy_ball" in answer.reason


STUDIES = {
    "three rates": lambda: three_rates(),
    "one seed": lambda: evidence(hinge(np.random.default_rng(0)), [0.005 * 1.5**k for k in range(14)], 1),
    "ten seeds at one rate": lambda: tuned_at(0.005, lambda b, rate, seed: rate, [0.005 * 1.5**k for k in range(14)]),
    "five seeds": lambda: evidence(hinge(np.random.default_rng(0)), RATES, 5),
    "one cell": lambda: evidence(lambda b, rate, seed: 0.0, [0.1], 1),
    "nothing": lambda: evidence_of(),
}


@pytest.mark.parametrize("study", STUDIES)
def test_every_bound_is_that_of_the_units_in_the_table(study):
    """A reader bounds any choice of units from claim_units and h: whatever a bound rests on is there."""
    found = STUDIES[study]()
    units = list_units(found, Estimate())
    judged = {claim.id: claim.judge(found, Estimate()).at_least for claim in ALL_CLAIMS if claim.units}

    for claim, at_least in judged.items():
        rows = units.filter(claim=claim)
        if at_least is None:
            assert rows.is_empty()
            continue
        for side, column in ((at_least.holds, "p_holds"), (at_least.contradicts, "p_contradicts")):
            p_values, doubtful = rows[column].to_numpy(), rows["doubtful"]
            by_sums = column == "p_holds" and not doubtful.null_count()
            assert side.h == (doubtful.max() if by_sums else hommel_h(p_values, side.level))
            of_all = surely_true_of(doubtful.to_numpy()) if by_sums else surely_true(p_values, side.h, side.level)
            assert (side.k, side.m) == (of_all, len(rows))
    assert any(judged.values()) == (study not in ("one cell", "nothing"))


def test_two_optimizers_of_one_seed_agree_if_both_rise_and_one_surely():
    rows = evidence(lambda b, rate, seed: 0.2 * np.log2(b / 8), [0.1], 1, (8, 16, 32, 64))[TRENDS]
    sure = rows.filter(pl.col("decides"))
    unsure = sure.with_columns(pl.lit(0.5).alias("momentum"), pl.lit(0.2).alias("p_value"), slope=pl.lit(0.05))
    falling = unsure.with_columns(slope=pl.lit(-0.05))

    assert judge_batch_trend(evidence_of(trends=pl.concat([sure, unsure])), Estimate()).verdict == "agrees"
    assert judge_batch_trend(evidence_of(trends=pl.concat([sure, falling])), Estimate()).verdict == "unclear"


def test_the_bests_of_one_seed_are_told():
    bowl = {rate: abs(np.log(rate / 0.16)) for rate in RATES[:7]}
    answer = judge_best(evidence(lambda b, rate, seed: bowl[rate] + 0.01, RATES[:7], 1), Estimate())

    assert (answer.verdict, answer.evidence) == ("unclear", "unreplicated")
    assert "log L_SGD / L_SGDM is +0.010 at b = 256, mu = 0.9 (SGD at 0.16, SGDM at 0.01)" in answer.reason
    assert "What is missing for a verdict" in answer.reason


def events(n_seeds):
    """SGD sharpens near steps 40 and 60, SGDM once; two pairs part, 1.1 and 0.9 times as late."""
    runs = runs_of(lambda *_: 1.0, [0.1, 0.2], n_seeds)
    first = runs.filter(seed=0).sort("eta_ef")
    sgd, sgdm = (first.filter(optimizer=name)["run_id"].to_list() for name in ("sgd", "heavy_ball"))
    steps = {sgd[0]: 40.004, sgd[1]: 60.0, sgdm[0]: 90.0}
    status = [
        {"run_id": run, "status": "detected" if run in steps else "none", "step": steps.get(run)}
        for run in runs["run_id"]
    ]
    keys = first.filter(optimizer="heavy_ball").select(*CELL, "seed").to_dicts()
    parted = [
        key | {"sgd_run_id": run, "status": "parted", "step": step}
        for key, run, step in zip(keys, sgd, (44.0, 54.0), strict=True)
    ]
    rises = [{"run_id": run, "index": 0, "kind": "lasting", "step": step} for run, step in steps.items()]
    return evidence_of(
        runs=runs,
        sharpenings=SHARPENINGS.frame(status),
        sharpening_events=SHARPENING_EVENTS.frame(rises),
        partings=PARTINGS.frame(parted),
        openings=OPENINGS.frame([row | {"index": 0} for row in parted]),
        deferral=DEFERRAL.frame([]),
        alignment=NO_ALIGNMENT,
    )


def test_events_are_described_before_what_is_missing():
    found = events(1)

    assert moments_seen(found) == (
        "SGD sharpens abruptly in 2 of 2 runs, at steps 40, 60; 2 of 2 pairs part; the gap opens at 0.90, 1.10 times "
        "the step of sharpening. "
    )
    assert runs_sharpened(found).endswith("; SGDM sharpens abruptly in 1 of 2 runs, at steps 90. ")
    reasons = [claim.judge(found, Estimate()).reason for claim in (c4_same_moment.CLAIM, c5_deferred.CLAIM)]
    assert all(reason.startswith("SGD sharpens abruptly in 2 of 2 runs") for reason in reasons)
    assert all("Not testable here: " in reason for reason in reasons)
    # Another learning rate gives no spread over seeds.
    assert reasons[0].endswith("differ between seeds are needed; more seeds of each cell would give them.")


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("supported", "agrees"),
        ("mostly", "agrees"),
        ("contradicted", "disagrees"),
        ("inconclusive", "unclear"),
        ("untestable", "untestable"),
        ("agrees", "agrees"),
        ("disagrees", "disagrees"),
        ("unclear", "unclear"),
    ],
)
def test_no_verdict_of_one_seed_is_that_of_a_replicated_study(verdict, told):
    answer = Answer(Verdict(verdict), "Reason.", 1, "runs")

    assert without_seeds(answer, events(1), Estimate()).verdict == told
    assert without_seeds(answer, events(1), Estimate()).evidence == "unreplicated"
    assert without_seeds(answer, events(2), Estimate()).verdict == told
    assert without_seeds(answer, events(3), Estimate()) == answer
    assert without_seeds(answer, evidence_of(), Estimate()) == answer


def test_what_a_claim_lacks_comes_after_what_is_known():
    """By hand: two batch sizes are too few for a trend; of three lines two never diverge."""
    found = evidence(lambda b, rate, seed: 0.1 * rate * b + WOBBLE[seed], [0.1, 0.2], 3, (8, 16))
    trend = judge_batch_trend(found, Estimate()).reason
    limits = [
        {"batch_size": b, "optimizer": "sgd", "momentum": 0.0, "status": status}
        for b, status in ((8, "above_grid"), (16, "above_grid"), (32, "estimated"))
    ]
    lines = STABILITY_LIMITS.frame([SETTING | row for row in limits])
    law = judge_law(evidence_of(stability_limits=lines), Estimate()).reason

    assert trend.startswith(
        "log L_SGD / L_SGDM is +0.080 to +0.160 over 2 eta_ef at b = 8, mu = 0.9, "
        "+0.160 to +0.320 over 2 eta_ef at b = 16, mu = 0.9. Not testable here: fewer than 3 batch sizes"
    )
    assert law.startswith(
        "Of 3 lines (batch size and optimizer) 2 train at every eta_ef tried, 1 have their limit inside the grid. Not"
    )


def test_ten_seeds_at_one_rate_do_not_silence_the_others():
    """One seed at fourteen rates, and ten at one of them, as where a rate was chosen on one seed."""
    rise = hinge(np.random.default_rng(0))

    def ratio_of(b, rate, seed):
        return rise(b, rate, seed)

    rates = [0.005 * 1.5**k for k in range(14)]
    tuned = tuned_at(rates[4], ratio_of, rates)
    below, above = judge_below(tuned, Estimate()), judge_above(tuned, Estimate())

    assert [(each.verdict, each.evidence) for each in (below, above)] == [("agrees", "unreplicated")] * 2
    assert "is eta_ef = " in below.reason


def tuned_at(chosen, ratio_of, rates):
    """All tables of a sweep with one seed a rate and ten at the chosen one."""

    def loss(b, rate, mu, seed):
        return 1.0 if mu > 0 else float(np.exp(ratio_of(b, rate, seed)))

    runs = runs_of(loss, rates, 10).filter((pl.col("seed") == 0) | (pl.col("eta_ef") == chosen))
    lines = rate_lines(runs, Margins())
    return evidence_of(
        thresholds=estimate_thresholds(lines, Margins(), Estimate()),
        placements=place_cells(lines, Margins(), Estimate()),
        unreplicated_cells=measure_over_rates(lines, Margins(), Estimate()),
        advantage=measure_advantage(runs, Margins(), Compare()),
    )


@pytest.mark.parametrize(
    ("counts", "replicated"),
    [([10, 1, 1, 1, 1], False), ([3, 3, 1], True), ([3, 2, 2, 2, 1, 1, 1, 1, 1], True), ([2] * 9, False), ([3], True)],
)
def test_a_line_is_replicated_if_its_cells_are(counts, replicated):
    rates = [0.1 * 2.0**k for k in range(len(counts))]
    seeds = dict(zip(rates, counts, strict=True))
    runs = runs_of(lambda *_: 1.0, rates, 10)
    runs = runs.filter(pl.col("seed") < pl.col("eta_ef").replace_strict(seeds))

    assert rate_lines(runs, Margins())[0].is_replicated(3) == replicated


def test_no_cell_below_an_unsure_threshold_is_unclear_with_what_is_known():
    """The threshold's interval reaches below the grid: no cell is surely below it."""
    found = evidence(hinge(np.random.default_rng(0)), [0.005 * 1.5**k for k in range(14)], 1)
    unsure = {name: frame for name, frame in found.frames.items()}
    unsure["unreplicated_cells"] = unsure["unreplicated_cells"].filter(side="above")
    answer = judge_below(evidence_of(**unsure), Estimate())

    assert (answer.verdict, answer.evidence) == ("unclear", "unreplicated")
    assert answer.reason.startswith("The threshold, with an interval over learning rates")
    assert answer.reason.endswith("What is missing for a verdict: a cell that lies below all of its interval.")


def test_all_slopes_of_one_seed_are_told():
    rows = evidence(lambda b, rate, seed: 0.2 * np.log2(b / 8), [0.1], 1, (8, 16, 32, 64))[TRENDS]
    sure = rows.filter(pl.col("decides"))
    unsure = sure.with_columns(pl.lit("nesterov").alias("optimizer"), pl.lit(0.2).alias("p_value"), slope=pl.lit(0.05))
    answer = judge_batch_trend(evidence_of(trends=pl.concat([sure, unsure])), Estimate())

    assert "+0.050" in answer.reason.split("The other slopes: ")[0]
    assert answer.reason.split("The other slopes: ")[1].startswith("+0.200 [")
    assert "(heavy_ball, mu = 0.9). Some cells" in answer.reason


def test_two_optimizers_of_one_momentum_are_told_apart():
    cell = {"batch_size": 8, "eta_ef": 0.01, "momentum": 0.9}

    assert cell_name(cell | {"optimizer": "heavy_ball"}) == "b = 8, eta_ef = 0.01, mu = 0.9"
    assert cell_name(cell | {"optimizer": "nesterov"}) == "b = 8, eta_ef = 0.01, mu = 0.9 (nesterov)"


def test_the_advantages_of_two_optimizers_are_two_ranges():
    """One eta_ef each: they are not one line of two rates."""
    row = {
        "study": "",
        "model": "mlp",
        "dataset": "d",
        "objective": "",
        "batch_size": 8,
        "eta_ef": 0.01,
        "momentum": 0.9,
    }
    cells = [row | {"optimizer": name, "log_ratio": r} for name, r in (("heavy_ball", 0.032), ("nesterov", 0.101))]

    assert advantage_sentence(ADVANTAGE.frame(cells)) == (
        "log L_SGD / L_SGDM is +0.032 to +0.032 over 1 eta_ef at b = 8, mu = 0.9, +0.101 to +0.101 over 1 eta_ef at "
        "b = 8, mu = 0.9 (nesterov). "
    )


def changed(found, **frames):
    return evidence_of(**(dict(found.frames) | frames))


def test_crossings_are_told_where_nothing_sharpens_abruptly():
    found = events(1)
    runs = found.frames["runs"]["run_id"].to_list()
    calm = [
        {"run_id": run, "status": "none", "crossing_status": "crossed" if k == 0 else "none", "crossing_step": step}
        for k, (run, step) in enumerate(zip(runs, [4608.0, *[None] * (len(runs) - 1)], strict=True))
    ]
    told = runs_sharpened(changed(found, sharpenings=SHARPENINGS.frame(calm)))

    assert "abruptly in 0 of 2 runs, but comes above its stability line in 1, at steps 4608" in told


def test_what_was_not_followed_is_not_counted_as_nothing():
    """No curvature, and no seeds to date a parting by: neither is an event that did not happen."""
    found = events(1)
    blind = [{"run_id": run, "status": "no_curvature"} for run in found.frames["runs"]["run_id"]]
    pairs = found.frames["partings"].with_columns(pl.lit("insufficient").alias("status"))
    found = changed(found, sharpenings=SHARPENINGS.frame(blind), partings=pairs, openings=OPENINGS.frame([]))

    assert moments_seen(found).startswith(
        "In no run of SGD was the curvature followed; of none of 2 pairs it can be told whether they part (too few "
        "seeds or points). "
    )
    for claim in (c4_same_moment.CLAIM, c5_deferred.CLAIM):
        assert (
            "Not testable here: no run of SGD has enough values of the curvature"
            in claim.judge(found, Estimate()).reason
        )


def test_a_cap_is_not_told_as_a_ratio():
    """SGD diverges at the highest of three rates: +3 there is the cap."""
    found = evidence(lambda b, rate, seed: None if rate > 0.3 else 0.01 + WOBBLE[seed], [0.1, 0.2, 0.4], 3)
    alone = evidence(lambda b, rate, seed: None, [0.4], 1)

    assert advantage_sentence(found[ADVANTAGE]) == (
        "log L_SGD / L_SGDM is +0.010 to +0.010 over 2 eta_ef at b = 256, mu = 0.9 (runs diverge at 1 more). "
    )
    assert advantage_sentence(alone[ADVANTAGE]) == (
        "log L_SGD / L_SGDM is not known at b = 256, mu = 0.9 (runs diverge at 1 more). "
    )
    assert "(a cap: a run diverged)" in single_seeds_sentence(alone[ADVANTAGE], 3)


def test_an_undecided_cell_tells_its_nearest_test_and_a_divergence_is_no_ratio():
    """By hand: 0.058 less the margin of 0.05 over its standard error, sd / sqrt 3: t = 0.41, p = 0.36."""
    below = judge_below(three_rates(), Estimate()).reason
    found = evidence(lambda b, rate, seed: None if rate > 0.3 else 0.01 + WOBBLE[seed], [0.1, 0.2, 0.4], 3)

    assert "eta_ef = 0.8, mu = 0.9: +0.058 [+0.021, +0.086] (SGDM is better: p = 0.36)" in below
    assert "undecided at b = 256, eta_ef = 0.4, mu = 0.9: SGD diverged at every seed (SGDM is better: p = 0.12)" in (
        judge_above(found, Estimate()).reason
    )


@pytest.mark.parametrize(("n_seeds", "verdict"), [(4, "inconclusive"), (5, "supported")])
def test_a_divergence_at_every_seed_counts_from_five_seeds_on(n_seeds, verdict):
    """2 ** -4 is above 0.05, 2 ** -5 is not."""
    found = evidence(lambda b, rate, seed: None if rate > 0.3 else WOBBLE[seed], RATES, n_seeds)
    answer = judge_above(found, Estimate())

    assert answer.verdict == verdict
    assert answer.unit.endswith("cell, granted because SGD diverged at every seed")
    assert ("In 5 of them SGD diverged at every seed, which counts from 5 seeds on." in answer.reason) == (n_seeds < 5)


def test_a_curvature_that_was_followed_for_too_short_is_not_called_missing():
    found = events(1)
    runs = found.frames["runs"]["run_id"].to_list()
    short = [{"run_id": run, "status": "too_short", "n_points": 20 + k} for k, run in enumerate(runs)]

    assert moments_seen(changed(found, sharpenings=SHARPENINGS.frame(short))).startswith(
        "In no run of SGD was the curvature followed for long enough: the most values of a run are "
    )
