"""Sentences against numbers worked out by hand from the made-up study of conftest.py."""

import re

import polars as pl
import pytest
from mstudy.compare.final_losses import summarise_losses
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.report.finding.when_chart import when_caption
from mstudy.report.page.sentences import study_sentence
from mstudy.report.sections.advantage import advantage_caption
from mstudy.report.sections.best import best_answer, best_caption
from mstudy.report.sections.coincidence import lag_caption, null_caption, points_caption
from mstudy.report.sections.deferral import deferral_caption
from mstudy.report.sections.definitions import definitions_caption, why_answer
from mstudy.report.sections.final_loss import loss_caption
from mstudy.report.sections.horizon import horizon_caption
from mstudy.report.sections.power import power_caption
from mstudy.report.sections.stability_law import limits_answer, limits_caption
from mstudy.report.sections.threshold import threshold_caption, threshold_sentence
from mstudy.report.sections.when import when_answer


def test_the_study_is_counted(results):
    # 2 batch sizes x 3 rates x 3 momenta x 3 seeds
    sentence = study_sentence(results["runs"])

    assert sentence.startswith("54 runs of mlp on dots: batch sizes 16, 64; effective learning rates 0.1 to 0.4;")
    assert sentence.endswith("momenta 0, 0.5, 0.9; 3 seeds; 1 diverged and is kept as data.")
    two = results["runs"].with_columns(branch_of=pl.when(pl.int_range(pl.len()) < 2).then(pl.lit("a")))
    assert study_sentence(two).endswith("kept as data; 2 branches among them.")


def test_the_lowest_loss_is_the_geometric_mean_over_seeds(results):
    losses = summarise_losses(results["runs"]).filter(batch_size=16)

    # 0.1 / 0.4 * (1 - 0.9 / 3), times (0.5 * 1 * 2) ** (1 / 3) = 1
    assert loss_caption(losses, 16) == (
        "b = 16: the lowest loss, 0.175, is reached by SGDM μ = 0.9 at η_ef = 0.4 (3 seeds a point)."
    )


def test_where_sgd_diverges_is_said_only_where_it_does(results):
    losses = summarise_losses(results["runs"])

    assert "SGD diverges from η_ef = 0.4." in loss_caption(losses.filter(batch_size=64), 64)
    assert "diverges" not in loss_caption(losses.filter(batch_size=16), 16)


def test_a_batch_size_without_a_finished_run_says_so(results):
    losses = summarise_losses(results["runs"]).with_columns(pl.lit(None, dtype=pl.Float64).alias("loss"))

    assert loss_caption(losses, 16) == "b = 16: no run finished."


@pytest.mark.parametrize(
    ("batch_size", "momentum", "sentence"),
    [
        (
            16,
            0.9,
            "At b = 16, SGDM μ = 0.9 helps above a threshold of η_ef = 0.2 [0.1, 0.4] (3 seeds, 3 learning rates).",
        ),
        (
            64,
            0.5,
            "At b = 64, SGDM μ = 0.5 helps already at the lowest learning rate tried (3 seeds, 3 learning rates).",
        ),
        (16, 0.5, "At b = 16, SGDM μ = 0.5 helps at no learning rate tried (3 seeds, 3 learning rates)."),
    ],
    ids=["estimated", "below_grid", "above_grid"],
)
def test_each_status_of_a_threshold_has_its_sentence(results, batch_size, momentum, sentence):
    row = results["thresholds"].row(
        by_predicate=(pl.col("batch_size") == batch_size) & (pl.col("momentum") == momentum), named=True
    )

    assert threshold_sentence(row) == sentence


def test_too_little_for_a_threshold_is_said(results):
    row = results["thresholds"].row(0, named=True) | {"status": "insufficient"}

    assert "too few seeds or learning rates" in threshold_sentence(row)
    between = threshold_sentence(row | {"bracket_low": 0.1, "bracket_high": 0.2})
    assert between.endswith("; SGDM begins to be better between η_ef = 0.1 and 0.2.")
    assert threshold_sentence(row | {"bracket_high": 0.2}).endswith("; SGDM begins to be better by η_ef = 0.2.")


def test_a_threshold_of_one_seed_is_told_apart(results):
    row = results["thresholds"].row(0, named=True) | {"status": "estimated", "evidence": "unreplicated"}

    assert threshold_sentence(row).endswith("; the interval is over learning rates, not over seeds).")


def test_thresholds_are_told_in_both_units(results, empty):
    limits = empty["stability_limits"]
    plain = threshold_caption(results["thresholds"], limits, per_sample=False)
    per_sample = threshold_caption(results["thresholds"], limits, per_sample=True)

    assert "SGDM μ = 0.9: 0.2 at b = 16, 0.1 at b = 64" in plain
    assert "SGDM μ = 0.9: 0.0125 at b = 16, 0.00156 at b = 64" in per_sample  # 0.2 / 16, 0.1 / 64
    assert "SGDM μ = 0.5: a threshold at 0 of 2 batch sizes" in plain


def test_thresholds_are_told_as_a_share_of_the_limit_that_the_law_predicts(results, empty):
    # 0.2 at b = 16 and 0.1 at b = 64, where the law has SGD stable up to 0.4 and 1.
    limits = pl.DataFrame({"batch_size": [16, 64], "predicted": [0.4, 1.0]})

    told = threshold_caption(results["thresholds"], limits, per_sample=False)

    assert told.endswith(" It lies at 0.1 to 0.5 of the rate up to which the law of stability has SGD stable.")
    assert "law" not in threshold_caption(results["thresholds"], empty["stability_limits"], per_sample=False)


def _sentences(caption):
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", caption)


def test_captions_of_many_momenta_and_batch_sizes_stay_short(results, more):
    def many(frame, momenta=(0.1, 0.3, 0.5, 0.7, 0.9, 0.99)):
        return pl.concat([frame.filter(momentum=0.9).with_columns(momentum=pl.lit(mu)) for mu in momenta])

    thresholds = many(results["thresholds"])
    captions = [
        advantage_caption(results["advantage"], thresholds.filter(batch_size=16), 16),
        threshold_caption(thresholds, more["stability_limits"], per_sample=False),
        horizon_caption(many(more["horizons"].filter(batch_size=16))),
        best_caption(many(more["best"]), 0.05),
        limits_caption(many(more["stability_limits"])),
        power_caption(pl.concat([more["power"].with_columns(claim=pl.col("claim") + end) for end in ("", "a")])),
        when_caption(thresholds.filter(momentum=0.9), results["advantage"]),
    ]

    assert [len(_sentences(caption)) <= 3 for caption in captions] == [True] * len(captions)
    assert max(map(len, captions)) <= 330
    assert captions[0] == (
        "At b = 16, 6 of 6 optimizers with momentum help from η_ef = 0.2 (intervals within [0.1, 0.4]; 3 seeds)."
    )
    assert captions[1].startswith(
        "Threshold in η_ef, intervals (95 %) within [0.05, 0.4], 3 seeds. SGDM μ = 0.1: 0.2 at"
    )
    assert "; 3 more under Numbers" in captions[1]
    assert captions[3] == (
        "Log ratio, margin 0.05, 6 of 12 comparisons inside the grid. Least: b = 16, SGDM μ = 0.1: +0.01 [−0.02, 0.04] "
        "(3 seeds); largest: b = 16, SGDM μ = 0.99: +0.01 [−0.02, 0.04] (3 seeds)."
    )
    assert captions[5] == (
        "For 4 of 6 claims the smallest effect is known that this study shows with 80 % power. The effect observed "
        "asks for most seeds in C3a: 12 (there are 3)."
    )


def test_lags_and_deferral_carry_their_n(results, empty):
    lag = lag_caption(results["alignment"])

    assert "6 pairs of 1 block of" in lag
    assert "At the median over blocks the gap opens 2 steps after the sharpening ([1, 3] steps)." in lag
    sooner = lag_caption(results["alignment"].with_columns(lag_steps_median=-7.4))
    assert "opens 7.4 steps before the sharpening" in sooner
    few = lag_caption(results["alignment"].with_columns(lag_steps_median_level=0.9375))
    assert "([1, 3] steps, 94%: the whole range of so few blocks)" in few
    told = deferral_caption(results["deferral"])
    assert (
        "0 of 18 runs sharpen abruptly, against 3 of 18 of SGD (paired swap test, p = 0.06 after Holm over 2)" in told
    )
    some = results["deferral"].with_columns(events_sgdm=2, events_sgdm_alone=1, p_adjusted=pl.lit(None, pl.Float64))
    assert "2 of 18 runs sharpen abruptly (1 of them where SGD had diverged and could not)" in deferral_caption(some)
    assert deferral_caption(some).count("too few pairs differ for a test") == 2
    assert lag_caption(empty["alignment"]).startswith("In no pair were both events seen")
    assert deferral_caption(empty["deferral"]) == "There is no pair whose curvature was logged."


def test_thresholds_over_all_batch_sizes_in_a_sentence(results, empty):
    # mu = 0.9: 0.2 [0.1, 0.4] at b = 16 and 0.1 [0.05, 0.2] at b = 64; mu = 0.5: none estimated
    assert when_answer(results["thresholds"]) == (
        "For SGDM μ = 0.5 no threshold can be estimated; SGDM μ = 0.9 helps above a threshold of η_ef = 0.1 "
        "to 0.2 at every batch size (intervals [0.05, 0.4])."
    )
    one = results["thresholds"].filter(~((pl.col("batch_size") == 64) & (pl.col("momentum") == 0.9)))
    one = pl.concat([one, results["thresholds"].filter(batch_size=64, momentum=0.5).with_columns(momentum=pl.lit(0.9))])
    assert "η_ef = 0.2 at 1 of 2 batch sizes" in when_answer(one)
    assert "no pair of SGD and SGDM" in when_answer(empty["thresholds"])


def test_both_definitions_are_counted(results):
    # Three SGD runs jump: seed 0 with its line, seed 1 apart from it, seed 2 without one. The others are seen, too.
    assert why_answer(results) == (
        "3 of 54 runs long enough to tell sharpen abruptly; 2 settle at their stability line; of the 2 that do both, 1 "
        "do so at the same moment."
    )
    # A run that was intervened upon says nothing of the others.
    branched = results["runs"].with_columns(branch_of=pl.when(pl.col("seed") == 0).then(pl.lit("a")))
    assert why_answer(results.having(runs=branched)).startswith("2 of 36 runs long enough to tell")
    found = (
        results["runs"]
        .join(results["sharpenings"], on="run_id", suffix="_sharpening")
        .with_columns(status=pl.col("status_sharpening"))
    )
    assert definitions_caption(found) == (
        "Of 3 runs with a jump, 1 settle at their stability line at the same moment, 1 at another, and 1 never do."
    )


def test_pairs_are_counted_by_how_near_they_part(results):
    pairs = aligned_pairs(results["openings"], results["sharpening_events"])

    # Six pairs part two steps after steps 100, 110 and 120.
    assert points_caption(pairs, (0.9, 1.1)) == (
        "6 of 6 openings lie within 10% of the step at which SGD sharpens; 0 later, 0 sooner."
    )
    # Exchanged: 102/110, 112/100, 122/110, 112/120 lie within [0.9, 1.13]; 102/120 = 0.85 and 122/100 = 1.22 do not.
    assert null_caption(results["lags"], (0.9, 1.13)) == (
        "6 of 6 openings lie within the grey tolerance, and 8 of 12 with seeds exchanged."
    )


def test_horizons_best_limits_and_power_are_told_with_interval_and_n(more):
    assert horizon_caption(more["horizons"].filter(batch_size=16)) == (
        "b = 16: SGDM μ = 0.9: 0.4 [0.2, 0.8] at 25% of training, 0.3 [0.15, 0.6] at 50% of training, 0.2 [0.1, 0.4] "
        "at 100% of training (3 seeds)."
    )
    assert "b = 64, SGDM μ = 0.9: +0.2 [0.17, 0.23] (3 seeds, best at the end of the grid)" in best_caption(
        more["best"], 0.05
    )
    assert best_answer(more["best"], 0.05, 0.05) == (
        "Of 1 comparison of tuned SGDM with tuned SGD, 1 are equal within 0.05 in log loss; by their intervals SGDM is "
        "better in 0 and worse in 0; in 1 more a best rate lies at the end of the grid."
    )
    # Predicted 0.3, 0.6, 0.9 and 1.2 against 0.3 measured; the interval [0.2, 0.4] holds the first alone.
    assert limits_answer(more["stability_limits"]) == (
        "Measured and predicted limits differ by a factor 2.5 at the median and 4 at most; 1 of 4 predictions lie in "
        "the measured interval."
    )
    assert limits_caption(more["stability_limits"]).startswith(
        "SGD: 0.3 [0.2, 0.4] at b = 16 (predicted 0.3, 3 seeds), 0.3 [0.2, 0.4] at b = 64 (predicted 0.6, 3 seeds); "
    )
    assert power_caption(more["power"]) == (
        "C3: an effect of 0.02 (per doubling of b) with 5 batch sizes of 3 seeds; the one observed needs 12 seeds; "
        "C4: not estimable; C5: an effect of 1.3 (times later) with 4 cells; the one observed needs 9 cells."
    )
