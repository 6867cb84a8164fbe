"""What the charts encode, by their specification; no pixels."""

import polars as pl
import pytest
from mstudy.compare.final_losses import summarise_losses
from mstudy.core.losses.scale import Scale
from mstudy.core.quantities import DIRECTIONAL_CURVATURE, EDGE_RATIO, LOSS, SHARPNESS
from mstudy.estimate.event_times.lags import lags_with_null
from mstudy.pairs.like_with_like import aligned_pairs
from mstudy.report.charts.kit import end_labels, spread
from mstudy.report.charts.theme import colours
from mstudy.report.page import panels
from mstudy.report.sections.advantage import advantage_by_rate, advantage_plate
from mstudy.report.sections.base import make_report_data
from mstudy.report.sections.best import forest
from mstudy.report.sections.coincidence import lag_distribution, parting_against_sharpening
from mstudy.report.sections.deferral import drawn_curves, numbers_at_risk, survival_curves
from mstudy.report.sections.final_loss import loss_by_rate, loss_plate
from mstudy.report.sections.horizon import horizon_plate, thresholds_by_horizon
from mstudy.report.sections.stability_law import limits_by_batch
from mstudy.report.sections.threshold import threshold_plate, thresholds_by_batch

PALETTE = colours([("sgd", 0.0), ("heavy_ball", 0.5), ("heavy_ball", 0.9)])
RATES = (0.1, 0.4)


def _survival(results):
    rows = results["survival"].filter(pl.col("stratum") == "b = 64")
    return survival_curves(drawn_curves(rows), numbers_at_risk(rows, [9.0, 99.0]), 0.0, 199.0, PALETTE)


def _of_sgd(more):
    return more["stability_limits"].filter(momentum=0)


MAKE = {
    "loss": lambda r, m: loss_by_rate(summarise_losses(r["runs"]).filter(batch_size=64), RATES, (0.05, 2.0), PALETTE),
    "advantage": lambda r, m: advantage_by_rate(
        r["advantage"].filter(batch_size=64), 0.05, RATES, (-0.2, 1.0), PALETTE
    ),
    "threshold": lambda r, m: thresholds_by_batch(
        r["thresholds"], m["stability_limits"].filter(momentum=0), False, PALETTE
    ),
    "per_sample": lambda r, m: thresholds_by_batch(
        r["thresholds"], m["stability_limits"].filter(momentum=0), True, PALETTE
    ),
    "horizon": lambda r, m: thresholds_by_horizon(m["horizons"].filter(batch_size=16), (0.1, 1.0), PALETTE),
    "limits": lambda r, m: limits_by_batch(m["stability_limits"], PALETTE),
    "best": lambda r, m: forest(m["best"], 0.05, PALETTE),
    "pairs": lambda r, m: parting_against_sharpening(aligned_pairs(r["openings"], r["sharpening_events"]), PALETTE),
    "lags": lambda r, m: lag_distribution(lags_with_null(r["openings"], r["sharpening_events"]), (0.9, 1.1), PALETTE),
    "survival": lambda r, m: _survival(r),
    "curvature": lambda r, m: panels.curvature_panel(PALETTE, [DIRECTIONAL_CURVATURE, SHARPNESS]),
    "gap": lambda r, m: panels.gap_panel(PALETTE),
    "events": lambda r, m: panels.events_panel(PALETTE),
}


def _layers(chart):
    """(mark type, encoding) of each layer; a line with points is one layer."""
    return [(layer["mark"]["type"], layer["encoding"]) for layer in chart.to_dict()["layer"]]


def _rows(chart, field):
    """Every row of the chart's data that has `field`."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows if field in row]


@pytest.mark.parametrize("name", MAKE)
def test_an_optimizer_has_one_colour_in_every_chart_and_no_chart_repeats_the_legend(results, more, name):
    scales = [e["color"] for _, e in _layers(MAKE[name](results, more)) if "scale" in e.get("color", {})]

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
        ("horizon", "training cut at step", "threshold, η/(1−μ)"),
        ("limits", "batch size b", "largest stable η/(1−μ)"),
        ("pairs", "step of SGD's abrupt sharpening", "step of opening"),
        ("survival", "step (updates made + 1)", "share without sharpening"),
    ],
)
def test_axes_name_the_quantity_and_its_unit(results, more, name, x, y):
    encodings = [e for mark, e in _layers(MAKE[name](results, more)) if mark in ("line", "point")]

    assert x in {e["x"]["title"] for e in encodings}
    assert y in {e["y"]["title"] for e in encodings}
    assert {e["x"]["scale"]["type"] for e in encodings} == {"log"}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("loss", "loss_low", "loss_high"),
        ("advantage", "ci_low", "ci_high"),
        ("threshold", "ci_low", "ci_high"),
        ("per_sample", "eta_ef_per_sample_low", "eta_ef_per_sample_high"),
        ("horizon", "ci_low", "ci_high"),
        ("limits", "predicted_low", "predicted_high"),
        ("pairs", "step_low", "step_high"),
        ("survival", "low", "high"),
    ],
)
def test_an_interval_is_never_left_out(results, more, name, low, high):
    spans = [(e["y"].get("field"), e["y2"]["field"]) for _, e in _layers(MAKE[name](results, more)) if "y2" in e]

    assert (low, high) in spans


def test_diverged_runs_are_counted_above_every_loss(results, more):
    chart = MAKE["loss"](results, more)
    fallen = _rows(chart, "ceiling")

    assert [(row["label"], row["eta_ef"], row["n_diverged"], row["n"]) for row in fallen] == [("SGD", 0.4, 1, 3)]
    assert fallen[0]["ceiling"] > max(row["loss_high"] for row in _rows(chart, "loss_high"))


def test_the_band_of_a_loss_is_the_range_of_its_seeds(results, more):
    (row,) = [r for r in _rows(MAKE["loss"](results, more), "loss_low") if (r["eta_ef"], r["label"]) == (0.1, "SGD")]

    assert (row["loss_low"], row["loss_high"]) == (0.5, 2.0)
    assert row["loss"] == pytest.approx(1.0)


@pytest.mark.parametrize(("scale", "told"), [(Scale.LOG, False), (Scale.DIFFERENCE, True)])
def test_the_unit_of_losses_is_told_where_they_are_compared_by_difference(results, scale, told):
    figures = loss_plate(make_report_data(results, PALETTE, scale)).figures

    assert {"loss_unit" in figure.numbers.columns for figure in figures} == {told}


def test_a_cell_that_diverged_stands_at_the_edge_of_who_is_ahead(results, more):
    edges = _rows(MAKE["advantage"](results, more), "edge")

    assert {(row["eta_ef"], row["edge"], row["diverged"]) for row in edges} == {(0.4, 1.0, "SGD")}


def test_the_margin_of_equivalence_is_a_band_about_zero(results, more):
    (row,) = _rows(MAKE["advantage"](results, more), "low")

    assert row == {"low": -0.05, "high": 0.05}


def test_points_of_which_nothing_is_known_of_their_seeds_are_filled(results, more):
    assert {row["seedless"] for row in _rows(MAKE["advantage"](results, more), "seedless")} == {False}


def test_only_estimated_thresholds_are_drawn(results, more):
    drawn = {(row["batch_size"], row["label"]) for row in _rows(MAKE["threshold"](results, more), "eta_ef_star")}

    assert drawn == {(16, "SGDM μ = 0.9"), (64, "SGDM μ = 0.9")}


@pytest.mark.parametrize(
    "panel",
    [
        panels.curvature_panel(PALETTE, [DIRECTIONAL_CURVATURE, SHARPNESS]),
        panels.loss_panel(PALETTE, [LOSS]),
        panels.quantity_panel(PALETTE, [EDGE_RATIO]),
        panels.gap_panel(PALETTE),
    ],
)
def test_raw_curves_are_never_dashed(panel):
    lines = [layer["mark"] for layer in panel.to_dict()["layer"] if layer["mark"]["type"] == "line"]

    assert lines and all("strokeDash" not in mark for mark in lines)


def test_events_have_an_interval_and_a_row_with_a_name():
    fields = [
        {part.get("field") for part in encoding.values() if isinstance(part, dict)}
        for _, encoding in _layers(panels.events_panel(PALETTE))
    ]

    assert any({"low", "high"} <= found for found in fields)
    assert any({"row", "name"} <= found for found in fields)


def test_numbers_at_risk_stand_below_the_curves(results):
    found = {(row["label"], row["at"]): row["text"] for row in _rows(_survival(results), "text") if row["at"] > 1}

    # 9 runs of SGD at b = 64; one ends at step 7. Nothing else ends before step 99.
    assert found["SGD", 10] == found["SGD", 100] == "8"
    assert found["SGDM μ = 0.9", 100] == "9"


@pytest.mark.parametrize(
    ("places", "expected"),
    [([50, 51], [44.0, 57.0]), ([20, 80], [20, 80]), ([95, 100], [87.0, 100.0]), ([], [])],
)
def test_labels_move_apart_and_stay_inside(places, expected):
    moved = spread(places, 13, 0, 100)

    assert moved == pytest.approx(expected, abs=0.6)


def test_a_label_stands_at_the_last_point_of_its_line():
    frame = pl.DataFrame({"label": ["SGD"] * 3, "x": [1.0, 2.0, 3.0], "y": [1.0, 10.0, None]})

    (row,) = end_labels(frame, "x", "y", (0.1, 100.0), 200).rows(named=True)

    assert (row["x"], row["text"]) == (2.0, "SGD")
    assert row["label_y"] == pytest.approx(10.0)


def test_the_law_s_limit_stands_beside_the_threshold_in_the_unit_of_the_chart(results, more):
    limits = more["stability_limits"].filter(momentum=0)
    plain, per_sample = (thresholds_by_batch(results["thresholds"], limits, unit, PALETTE) for unit in (False, True))

    expected = dict(limits.select("batch_size", "predicted").iter_rows())
    assert {row["batch_size"]: row["predicted"] for row in _rows(plain, "predicted")} == expected
    drawn = {row["batch_size"]: row["predicted"] for row in _rows(per_sample, "predicted")}
    assert drawn == pytest.approx({b: value / b for b, value in expected.items()})
    assert not _rows(thresholds_by_batch(results["thresholds"], limits.clear(), False, PALETTE), "predicted")


@pytest.mark.parametrize("evidence", ["replicated", "unreplicated"])
def test_points_without_enough_seeds_are_open_and_told(results, more, evidence):
    thresholds = results["thresholds"].with_columns(evidence=pl.lit(evidence))
    horizons = more["horizons"].with_columns(evidence=pl.lit(evidence))
    found = results.having(thresholds=thresholds, horizons=horizons)
    data = make_report_data(found, PALETTE)

    plates = [advantage_plate(data), threshold_plate(data), horizon_plate(data)]

    charts = [figure.chart.to_dict() for plate in plates for figure in plate.figures if figure.chart is not None]
    marked = [
        {row["seedless"] for rows in chart["datasets"].values() for row in rows if "seedless" in row}
        for chart in charts
    ]
    assert marked == [{evidence == "unreplicated"}] * len(charts)
    assert ["pen points" in plate.note for plate in plates[:2]] == [evidence == "unreplicated"] * 2
