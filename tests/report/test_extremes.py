"""Valid logs at the edges: a few rows, and losses from one end of what floats hold to the other."""

import json
import math
import sys

import numpy as np
import pytest
from mstudy.analyze import analyze
from mstudy.explain.run_explanation import explain
from mstudy.report.charts.theme import data_domain, log_axis, log_scale
from mstudy.report.pictures.block import y_range, y_ticks

SIDES = ((0.1, 0.0, "sgd"), (0.01, 0.9, "heavy_ball"))


@pytest.fixture
def save_pairs(save_run):
    """Write two seeds of SGD and SGDM at one rate: save_pairs(n_rows, loss(seed, mu)) -> folder."""

    def save(n_rows, loss=lambda seed, mu: 1.0, **columns):
        for seed in range(2):
            for rate, mu, optimizer in SIDES:
                curve = loss(seed, mu) * np.exp(-0.01 * np.arange(n_rows) - 0.001 * seed - 0.001 * mu)
                curve[0] = 1.0 - 0.001 * seed  # of one seed the same: the two begin at the same weights
                rows = {"step": np.arange(n_rows), "loss": curve} | columns
                path = save_run(rows, learning_rate=rate, momentum=mu, optimizer=optimizer, seed=seed)
        return path.parent

    return save


@pytest.mark.parametrize("n_rows", [1, 2, 9, 10, 11])
def test_logs_of_a_few_rows_have_tables_and_a_page(save_pairs, tmp_path, n_rows):
    result = analyze(save_pairs(n_rows, directional_curvature=np.full(n_rows, 0.1)), tmp_path / "out")

    assert result["advantage"].height == 1 and result["survival"].height == 4
    assert "(2 runs each at risk at the first count)" in (tmp_path / "out" / "index.html").read_text()
    assert "deferral" in result.figures or "survival" in result.figures


@pytest.mark.parametrize(
    "scales",
    [(1e300, 1e-300), (1e-300, 1e300), (1e308, 1e308), (1.7e308, 5e-324), (1e-310, 1e-310), (1e13, 1e-13)],
)
def test_losses_at_the_ends_of_floats_have_right_tables_and_a_page(save_pairs, tmp_path, scales):
    folder = save_pairs(60, lambda seed, mu: scales[mu > 0])

    result = analyze(folder, tmp_path / "out")

    final = result["final_losses"].sort("momentum")["loss"].to_list()
    # The last tenth: rows 54 to 59 of two seeds, a thousandth apart.
    expected = [scale * math.exp(-0.565 - 0.0005 - 0.001 * mu) for scale, mu in zip(scales, (0.0, 0.9), strict=True)]
    assert final == pytest.approx(expected, rel=1e-9, abs=1e-323)
    assert {"loss", "why"} <= set(result.figures)
    assert "Infinity" not in json.dumps(result.figure("loss").to_dict())
    assert (tmp_path / "out" / "index.html").stat().st_size < 3e6


def test_a_curvature_that_rises_from_the_smallest_to_the_largest_float_is_explained(save_pairs, tmp_path):
    sharp = np.where(np.arange(200) < 100, 1e-300, 1e300) * np.exp(0.01 * np.sin(np.arange(200)))
    folder = save_pairs(200, directional_curvature=sharp)

    explained = explain(folder / "8-0.1-0.0-0.parquet")

    assert "Abrupt sharpening at step" in str(explained) and "1.8·10³⁰⁸" in str(explained)
    assert explained.write(tmp_path / "why.html").is_file() and explained.write(tmp_path / "why.svg").is_file()
    jump = analyze(folder)["sharpenings"]["jump"].to_list()
    assert jump == pytest.approx([sys.float_info.max] * 4)


def test_an_axis_ends_where_floats_end():
    low, high = data_domain([5e-324, 1.7e308])

    assert (low, high) == (sys.float_info.min, sys.float_info.max) == y_range([5e-324, 1.7e308], log=True)
    assert log_scale((low, high), room=2.2).to_dict()["domain"] == [low, high]
    assert 8 <= len(log_axis((low, high)).to_dict()["values"]) <= 26
    assert 5 <= len(y_ticks(low, high)) <= 9


@pytest.mark.parametrize("domain", [(1e298, 1e300), (1e-300, 1e-299), (2e307, sys.float_info.max)])
def test_an_axis_far_from_one_has_ticks(domain):
    assert len(log_axis(domain).to_dict()["values"]) >= 1 and len(y_ticks(*domain)) >= 1
