"""Which pairs are shown, and at which levels their stability lines stand."""

import polars as pl
import pytest
from mstudy.params import Report
from mstudy.report.sections import build_sections
from mstudy.report.theme import colours

PALETTE = colours([("heavy_ball", mu) for mu in (0.0, 0.5, 0.9)])


def _why(results, points, report=None):
    sections = build_sections(results, points, report or Report(), PALETTE)
    return next(section for section in sections if section.anchor == "why")


def _levels(figure):
    return {
        row["momentum"]: row["level"]
        for rows in figure.chart.to_dict()["datasets"].values()
        for row in rows
        if "level" in row
    }


def _curvature(section, group):
    (figure,) = [f for f in section.figures if f.group == group and "curvature" in f.title]
    return figure


def test_each_batch_size_and_momentum_shows_one_pair_and_those_that_sharpen_come_first(results, points):
    choices = _why(results, points).choices

    assert len(choices) == len(set(choices)) == 4
    assert choices[:2] == ["b = 64, η_ef = 0.2, SGDM μ = 0.9", "b = 64, η_ef = 0.2, SGDM μ = 0.5"]
    # Nothing sharpens at b = 16; the threshold of mu = 0.9 there is 0.2.
    assert "b = 16, η_ef = 0.2, SGDM μ = 0.9" in choices


def test_the_lowest_seed_is_shown(results, points):
    assert all(", seed 0: " in figure.caption for figure in _why(results, points).figures)


def test_stability_lines_of_sgd_and_heavy_ball(results, points):
    levels = _levels(_curvature(_why(results, points), "b = 64, η_ef = 0.2, SGDM μ = 0.9"))

    # 2 / eta with eta = 0.2; 2 (1 + mu) / eta with eta = 0.2 (1 - 0.9)
    assert levels == {0.0: pytest.approx(10.0), 0.9: pytest.approx(190.0)}


def test_stability_line_of_nesterov(results, points):
    nesterov = results.partings.with_columns(pl.lit("nesterov").alias("optimizer"))
    changed = type(results)(**vars(results) | {"partings": nesterov})

    levels = _levels(_curvature(_why(changed, points), "b = 64, η_ef = 0.2, Nesterov μ = 0.9"))

    assert levels[0.9] == pytest.approx(190.0 / (1 + 2 * 0.9))


def test_a_drawing_has_at_most_the_points_asked_for_and_says_of_how_many(results, points):
    figure = _curvature(_why(results, points, Report(points_per_curve=40)), "b = 64, η_ef = 0.2, SGDM μ = 0.9")
    drawn = [row for rows in figure.chart.to_dict()["datasets"].values() for row in rows if "step_drawn" in row]

    assert len(drawn) <= 2 * 40
    assert figure.caption.endswith(f" {len(drawn)} of 400 logged points are drawn.")
