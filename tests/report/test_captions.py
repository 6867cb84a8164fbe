"""Sentences against numbers worked out by hand from the made-up study of conftest.py."""

import polars as pl
import pytest
from mstudy.inference.losses import summarise_losses
from mstudy.report import captions


def test_the_study_is_counted(results):
    # 2 batch sizes x 3 rates x 3 momenta x 3 seeds
    sentence = captions.study_sentence(results.runs)

    assert sentence.startswith("54 runs of mlp on dots: batch sizes 16, 64; effective learning rates 0.1 to 0.4;")
    assert "momenta 0, 0.5, 0.9; 3 seeds; 1 run" in sentence
    assert "diverged" in sentence


def test_the_lowest_loss_is_the_geometric_mean_over_seeds(results):
    losses = summarise_losses(results.runs).filter(batch_size=16)

    # 0.1 / 0.4 * (1 - 0.9 / 3), times (0.5 * 1 * 2) ** (1 / 3) = 1
    assert captions.loss_caption(losses, 16) == (
        "b = 16: the lowest loss, 0.175, is reached by SGDM μ = 0.9 at η_ef = 0.4 (3 seeds a point)."
    )


def test_where_sgd_diverges_is_said_only_where_it_does(results):
    losses = summarise_losses(results.runs)

    assert "SGD diverges from η_ef = 0.4." in captions.loss_caption(losses.filter(batch_size=64), 64)
    assert "diverges" not in captions.loss_caption(losses.filter(batch_size=16), 16)


def test_a_batch_size_without_a_finished_run_says_so(results):
    losses = summarise_losses(results.runs).with_columns(pl.lit(None, dtype=pl.Float64).alias("loss"))

    assert captions.loss_caption(losses, 16) == "b = 16: no run finished."


@pytest.mark.parametrize(
    ("batch_size", "momentum", "sentence"),
    [
        (16, 0.9, "At b = 16, SGDM μ = 0.9 helps from η_ef = 0.2 [0.1, 0.4] (3 seeds, 3 learning rates)."),
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
    row = results.thresholds.row(
        by_predicate=(pl.col("batch_size") == batch_size) & (pl.col("momentum") == momentum), named=True
    )

    assert captions.threshold_sentence(row) == sentence


def test_too_little_for_a_threshold_is_said(results):
    row = results.thresholds.row(0, named=True) | {"status": "insufficient"}

    assert "too few seeds or learning rates" in captions.threshold_sentence(row)


def test_thresholds_are_told_in_both_units(results):
    plain = captions.threshold_caption(results.thresholds, per_sample=False)
    per_sample = captions.threshold_caption(results.thresholds, per_sample=True)

    assert "SGDM μ = 0.9: 0.2 at b = 16, 0.1 at b = 64" in plain
    assert "SGDM μ = 0.9: 0.0125 at b = 16, 0.00156 at b = 64" in per_sample  # 0.2 / 16, 0.1 / 64
    assert "SGDM μ = 0.5: a threshold at 0 of 2 batch sizes" in plain


def test_a_pair_names_its_events_with_intervals_and_the_points_drawn(results):
    (pair,) = results.partings.filter(status="parted", seed=1, momentum=0.9).rows(named=True)
    rows = {
        side: results.sharpenings.row(by_predicate=pl.col("run_id") == pair[f"{side}_run_id"], named=True)
        for side in ("sgd", "sgdm")
    }

    caption = captions.pair_caption(pair, rows, 80, 400)

    assert caption.startswith("b = 64, η_ef = 0.2, seed 1: ")
    assert "SGD sharpens abruptly at step 110 [105, 115], by a factor 50;" in caption
    assert "shows no abrupt sharpening" in caption
    assert "the losses part at step 112 [108, 116], SGDM ahead" in caption
    assert caption.endswith("80 of 400 logged points are drawn.")


def test_lags_and_deferral_carry_their_n(results, empty):
    lag = captions.lag_caption(results.alignment)

    assert "6 pairs of 1 blocks" in lag
    assert "+2 steps after the sharpening at the median; interval over blocks [1.5, 2.5] steps" in lag
    assert "0 of 18 runs sharpen abruptly, against 3 of 18 of SGD" in captions.deferral_caption(results.deferral)
    assert captions.lag_caption(empty["alignment"]).startswith("In no pair were both events seen")
    assert captions.deferral_caption(empty["deferral"]) == "There is no pair whose curvature was logged."
