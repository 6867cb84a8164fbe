"""Truth: numbers, marks and words of small pieces of the page, by hand."""

import polars as pl
import pytest
from mstudy.core.quantities import EDGE_RATIO
from mstudy.report.charts.kit import dodged, spread
from mstudy.report.charts.theme import colours, data_domain, log_scale, powers_of_ten
from mstudy.report.page.drawn_quantities import quantities_drawn
from mstudy.report.page.panels import gap_panel
from mstudy.report.page.runs_table import runs_table
from mstudy.report.page.sentences import block_sentence, run_sentence
from mstudy.report.pictures.write import with_values
from mstudy.report.sections.advantage import ratio_span
from mstudy.report.sections.best import forest
from mstudy.report.sections.coincidence import points_caption
from mstudy.report.sections.deferral import HEIGHT, survival_curves

PALETTE = colours([("sgd", 0.0), ("heavy_ball", 0.5), ("heavy_ball", 0.9)])


@pytest.mark.parametrize(
    ("low", "high", "n", "exponents"),
    [
        (1.0, 1.0, 5, [0]),
        (0.02, 30, 5, [-2, -1, 0, 1, 2]),
        (0.02, 30, 2, [-2, 0, 2]),
        (1e-5, 1e5, 4, [-3, 0, 3]),
        (1e-320, 1.0, 1000, list(range(-307, 1))),
    ],
)
def test_ticks_at_powers_of_ten(low, high, n, exponents):
    assert powers_of_ten(low, high, n) == exponents


def test_the_domain_of_values_is_that_of_the_positive_and_finite_ones():
    assert data_domain([None, 2.0, 8.0, 0.0, -1.0, float("inf"), float("nan")], 2.0) == (1.0, 16.0)
    assert data_domain([None, 0.0]) is None


def test_a_log_scale_has_the_domain_that_it_is_given():
    assert log_scale((0.1, 10.0), 2.0).to_dict()["domain"] == [0.1, 20.0]
    assert "domain" not in log_scale().to_dict()


def test_several_momenta_stand_side_by_side():
    """Ranks -1, 0 and 1 of a palette of three: seven percent apart."""
    frame = pl.DataFrame({"label": [*PALETTE, "another"], "batch_size": [100, 100, 100, 100]})

    assert dodged(frame, PALETTE)["at"].to_list() == pytest.approx([93.0, 100.0, 107.0, 100.0])


def test_labels_are_spread_and_keep_their_order():
    assert spread([3.0, 1.0, 1.0], 1.0, 0.0, 10.0) == pytest.approx([3.0, 0.5, 1.5])
    assert spread([], 1.0, 0.0, 10.0) == []


def test_data_sets_by_name_are_put_in_place():
    rows = [{"x": 1}]
    spec = {"layer": [{"data": {"name": "a"}, "name": "a"}], "data": {"name": "b"}, "params": [{"name": "a", "v": 1}]}

    assert with_values(spec, {"a": rows}) == {
        "layer": [{"data": {"values": rows}, "name": "a"}],
        "data": {"name": "b"},
        "params": [{"name": "a", "v": 1}],
    }


def test_pairs_are_near_later_or_sooner():
    ratios = pl.DataFrame({"log_lag": [0.0, 0.05, 0.5, 0.6, 0.7, -0.5, -0.6, -0.7, -0.8]})

    caption = points_caption(ratios, (0.9, 1.1))

    assert caption.startswith("2 of 9 ")
    assert caption.endswith(" within 10% of the step at which SGD sharpens; 3 later, 4 sooner.")


@pytest.mark.parametrize(("value", "is_drawn"), [(0.4, True), (0.0, False), (-0.4, False), (float("inf"), False)])
def test_a_quantity_that_is_asked_for_is_drawn_where_a_log_axis_can_show_it(value, is_drawn):
    points = pl.DataFrame({EDGE_RATIO.name: [None, value]}, schema={EDGE_RATIO.name: pl.Float64})

    assert any(EDGE_RATIO in drawn for drawn in quantities_drawn(points).values()) == is_drawn


def test_headings_of_numbers_are_those_of_columns_of_numbers(results):
    table = runs_table(results)

    for name, _, is_number in table["headings"]:
        values = [value for value in table["rows"][name] if value is not None]
        assert is_number == (not any(isinstance(value, str) for value in values)), name


@pytest.mark.parametrize(("n_events", "told"), [(1, False), (2, True), (3, True), (None, False)])
def test_one_of_several_jumps_is_called_the_first(results, n_events, told):
    (run,) = results["runs"].filter(batch_size=64, eta_ef=0.2, momentum=0.0, seed=0).rows(named=True)
    found = results["sharpenings"].row(by_predicate=pl.col("run_id") == run["run_id"], named=True)

    sentence = run_sentence(run, found | {"n_events": n_events})

    assert (f", the first of {n_events}, by a factor" in sentence) == told
    assert ("the first of" in sentence) == told


def test_pairs_that_part_are_counted_and_no_others(results):
    """A pair that came together again has a step as well, and does not part."""
    block = {"batch_size": 64, "eta_ef": 0.2}
    runs = results["runs"].filter(**block).with_columns(pl.lit("x").alias("label"))
    pairs = results["partings"].filter(**block, momentum=0.9)
    statuses = ["parted", "insufficient", "none"]
    changed = pairs.with_columns(pl.Series("status", statuses), pl.Series("step", [7.0, 5.0, 6.0]))

    assert "Parts from SGD: μ = 0.9 in 1 of 3 seeds (step 7)." in block_sentence(runs, results["sharpenings"], changed)


def test_the_span_of_the_advantage_reaches_twice_the_margin_at_least():
    """Cells in which a run diverged have no say; the top has 8 % of room, the bottom 15 %."""
    cells = pl.DataFrame(
        {
            "log_ratio": [0.02, 5.0],
            "ci_low": [0.01, -5.0],
            "ci_high": [0.03, 9.0],
            "n_diverged_sgd": [0, 1],
            "n_diverged_sgdm": [0, 0],
        }
    )

    low, high = ratio_span(cells, 0.05)

    assert low == pytest.approx(-0.1 * 1.15)
    assert high == pytest.approx(0.11 * 1.08)


def _marks(spec):
    return [(layer.get("transform"), layer["mark"], layer["encoding"]) for layer in spec["layer"]]


def test_a_best_rate_at_the_end_of_the_grid_is_an_open_point(more):
    filled = {
        transform[0]["filter"]: mark["filled"]
        for transform, mark, _ in _marks(forest(more["best"], 0.05, PALETTE).to_dict())
        if transform
    }

    assert filled == {"!datum.at_edge": True, "datum.at_edge": False}


def test_the_numbers_at_risk_have_room_below_the_curves():
    """Three optimizers and a line of room at 15 pixels each: 60 pixels below the lowest share drawn."""
    curves = {"optimizer": ["sgd"], "momentum": [0.0], "step": [1.0], "share": [0.9], "low": [0.8], "high": [1.0]}
    at_risk = {"optimizer": ["sgd"], "momentum": [0.0], "step": [1.0], "n": [5]}
    chart = survival_curves(pl.DataFrame(curves), pl.DataFrame(at_risk), 0.5, 100.0, PALETTE).to_dict()

    (lowest, highest), *others = {tuple(e["y"]["scale"]["domain"]) for _, _, e in _marks(chart) if "scale" in e["y"]}

    assert (highest, others) == (1, [])
    assert (0.5 - lowest) / (1 - lowest) == pytest.approx(60 / HEIGHT)


def test_a_single_run_is_drawn_stronger_than_one_of_many():
    widths = [
        encoding["strokeWidth"]
        for _, _, encoding in _marks(gap_panel(PALETTE).to_dict())
        if "condition" in encoding.get("strokeWidth", {})
    ]

    assert widths
    for width in widths:
        assert width["value"] < 1 < width["condition"]["value"] <= 2
