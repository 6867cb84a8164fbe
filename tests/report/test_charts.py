"""What the charts encode, by their specification; no pixels."""

import polars as pl
import pytest
from mstudy.inference.alignment import aligned_pairs
from mstudy.inference.losses import summarise_losses
from mstudy.report import charts
from mstudy.report.theme import colours

PALETTE = colours([("heavy_ball", mu) for mu in (0.0, 0.5, 0.9)])


def _layers(chart):
    """(mark type, encoding) of each layer; a line with points is one layer."""
    return [(layer["mark"]["type"], layer["encoding"]) for layer in chart.to_dict()["layer"]]


def _rows(chart, field):
    """Every row of the chart's data that has `field`."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows if field in row]


def _curve():
    points = pl.DataFrame(
        {
            "step": [0, 1, 2],
            "step_drawn": [1, 2, 3],
            "loss": [1.0, 0.5, 0.2],
            "momentum": [0.0] * 3,
            "optimizer": ["sgd"] * 3,
        }
    )
    lines = pl.DataFrame({"momentum": [0.0], "optimizer": ["sgd"], "level": [10.0], "name": ["2/η of SGD"]})
    found = {
        "event": ["sharpening"],
        "momentum": [0.0],
        "optimizer": ["sgd"],
        "step": [1.0],
        "step_low": [1.0],
        "step_high": [2.0],
    }
    drawn = {"at": pl.col("step") + 1, "low": pl.col("step_low") + 1, "high": pl.col("step_high") + 1}
    events = pl.DataFrame(found).with_columns(**drawn)
    return charts.curve_over_time(points, "loss", "training loss", events, lines, PALETTE)


def _all_charts(results):
    return {
        "loss": charts.loss_by_rate(summarise_losses(results.runs).filter(batch_size=64), PALETTE),
        "advantage": charts.advantage_by_rate(results.advantage.filter(batch_size=64), 0.05, PALETTE),
        "threshold": charts.thresholds_by_batch(results.thresholds, False, PALETTE),
        "per_sample": charts.thresholds_by_batch(results.thresholds, True, PALETTE),
        "curve": _curve(),
        "lags": charts.parting_against_sharpening(aligned_pairs(results.partings, results.sharpenings), PALETTE),
    }


@pytest.mark.parametrize("name", ["loss", "advantage", "threshold", "per_sample", "curve", "lags"])
def test_an_optimiser_has_one_colour_in_every_chart_and_no_chart_repeats_the_legend(results, name):
    scales = [e["color"] for _, e in _layers(_all_charts(results)[name]) if "color" in e]

    assert scales
    for colour in scales:
        assert dict(zip(colour["scale"]["domain"], colour["scale"]["range"], strict=True)) == PALETTE
        assert colour["legend"] is None


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("loss", "effective learning rate η/(1−μ)", "final training loss"),
        ("advantage", "effective learning rate η/(1−μ)", "log L(SGD) / L(SGDM)"),
        ("threshold", "batch size b", "threshold, η/(1−μ)"),
        ("per_sample", "batch size b", "threshold per sample, η/((1−μ)·b)"),
        ("curve", "step (updates made + 1)", "training loss"),
        ("lags", "step of SGD's abrupt sharpening", "step of parting"),
    ],
)
def test_axes_name_the_quantity_and_its_unit(results, name, x, y):
    encodings = [e for mark, e in _layers(_all_charts(results)[name]) if mark in ("line", "circle")]

    assert x in {e["x"]["title"] for e in encodings}
    assert y in {e["y"]["title"] for e in encodings}
    assert {e["x"]["scale"]["type"] for e in encodings} == {"log"}


def test_diverged_runs_are_crosses_above_every_loss(results):
    chart = _all_charts(results)["loss"]
    fallen = [row for row in _rows(chart, "ceiling") if row["ceiling"] is not None]

    assert [(row["optimiser"], row["eta_ef"], row["n_diverged"]) for row in fallen] == [("SGD", 0.4, 1)]
    assert fallen[0]["ceiling"] > max(row["loss_high"] for row in _rows(chart, "loss_high"))


def test_the_band_of_a_loss_is_the_range_of_its_seeds(results):
    chart = _all_charts(results)["loss"]
    (band,) = [e for mark, e in _layers(chart) if mark == "area"]
    (row,) = [r for r in _rows(chart, "loss") if (r["eta_ef"], r["momentum"]) == (0.1, 0.0) and "ceiling" not in r]

    assert (band["y"]["field"], band["y2"]["field"]) == ("loss_low", "loss_high")
    assert (row["loss_low"], row["loss_high"]) == (0.5, 2.0)
    assert row["loss"] == pytest.approx(1.0)


def test_the_margin_of_equivalence_is_a_band_about_zero(results):
    (row,) = _rows(_all_charts(results)["advantage"], "low")

    assert row == {"low": -0.05, "high": 0.05}


def test_raw_curves_are_never_dashed():
    lines = [layer["mark"] for layer in _curve().to_dict()["layer"] if layer["mark"]["type"] == "line"]

    assert lines and all("strokeDash" not in mark for mark in lines)


def test_events_have_an_interval_and_a_word_and_stability_lines_a_name():
    fields = [{e.get("field") for e in encoding.values() if isinstance(e, dict)} for _, encoding in _layers(_curve())]

    assert any({"low", "high"} <= found for found in fields)
    assert any({"at", "event"} <= found for found in fields)
    assert any({"level", "name"} <= found for found in fields)


def test_only_estimated_thresholds_are_drawn(results):
    drawn = {(row["batch_size"], row["momentum"]) for row in _rows(_all_charts(results)["threshold"], "eta_ef_star")}

    assert drawn == {(16, 0.9), (64, 0.9)}
