"""What the linked charts are fed: every run's curves, the block to start with, medians, events."""

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Report
from mstudy.core.quantities import BATCH_SHARPNESS, DIRECTIONAL_CURVATURE, EDGE_RATIO, LOSS, SHARPNESS
from mstudy.report.page.curves import median_curve
from mstudy.report.page.drawn_quantities import words_for_points
from mstudy.report.page.encode import unpack, unpack_steps
from mstudy.report.page.explorer import build_explorer
from mstudy.report.pictures.block import first_block, y_range, y_ticks


@pytest.fixture(scope="module")
def explorer(results, points):
    return build_explorer(results, points, Report())


def _curve(data, packed, log=True):
    return dict(zip(unpack_steps(data["steps"][packed[0]]).tolist(), unpack(packed[1:], log), strict=True))


def _index(data, run_id):
    return data["runs"]["id"].index(run_id)


def test_every_run_is_there_with_its_curves(results, points, explorer):
    data = explorer.data

    assert sorted(data["runs"]["id"]) == sorted(results["runs"]["run_id"])
    k = _index(data, "b64-r0.2-m0.0-s1")
    loss, kappa = (_curve(data, data["curves"][k][name]) for name in ("loss", "directional_curvature"))
    assert loss[99] == pytest.approx(1 / 100, rel=1e-3)
    # It jumps from 0.1 to 10 after step 110, and the spike of 160 drawn points keeps the step before it.
    assert (kappa[110], kappa[111]) == (pytest.approx(0.1), pytest.approx(10))
    assert data["curves"][k]["sharpness"][3] == ""  # not logged


def test_a_quantity_that_was_logged_is_drawn_in_its_panel(results, points):
    # Batch sharpness is one of the curvatures; the edge ratio has a panel of its own.
    logged = points.with_columns(
        batch_sharpness=pl.col("directional_curvature") * 2,
        edge_ratio=pl.when(pl.col("step") % 2 == 0).then(0.5),
        accuracy=pl.lit(0.9),
    )

    explorer = build_explorer(results, logged, Report())

    usual = {"curvature": ["directional_curvature", "sharpness"], "loss": ["loss"]}
    assert build_explorer(results, points, Report()).data["panels"] == usual
    curvatures = [*usual["curvature"], "batch_sharpness"]
    assert explorer.data["panels"] == {"curvature": curvatures, "loss": ["loss"], "edge": ["edge_ratio"]}
    curves = explorer.data["curves"][_index(explorer.data, "b64-r0.2-m0.0-s1")]
    batch = _curve(explorer.data, curves["batch_sharpness"])
    assert (batch[110], batch[111]) == (pytest.approx(0.2), pytest.approx(20))
    edge = _curve(explorer.data, curves["edge_ratio"])
    assert all(step % 2 == 0 and value == pytest.approx(0.5) for step, value in edge.items())
    medians = explorer.data["medians"]
    assert set(medians) == {"first", "n", "directional_curvature", "loss", "edge_ratio"}
    assert {row["kind"] for row in first_block(explorer.data).rows["curves"]} == {
        *("directional_curvature", "batch_sharpness", "loss", "edge_ratio"),  # λ_max was not logged
        *("median directional_curvature", "median loss", "median edge_ratio"),
    }


def test_the_note_says_what_the_points_are():
    alone = {"curvature": [DIRECTIONAL_CURVATURE, SHARPNESS], "loss": [LOSS]}
    more = alone | {"curvature": [*alone["curvature"], BATCH_SHARPNESS], "edge": [EDGE_RATIO]}

    assert words_for_points(alone) == "open points are λ_max"
    assert words_for_points(more) == "open circles are λ_max and squares are batch sharpness"


def test_it_starts_where_sgd_sharpens(explorer):
    blocks = explorer.data["blocks"]

    assert (blocks["batch_size"][0], blocks["eta_ef"][0]) == (64, 0.2)
    assert len(blocks["batch_size"]) == 6
    assert blocks["caption"][0].startswith("Sharpens abruptly: SGD in 3 of 3 seeds")


def test_stability_lines_of_sgd_and_heavy_ball_and_nesterov(results, points, explorer):
    runs = explorer.data["runs"]
    lines = {o: line for o, line, block in zip(runs["label"], runs["line"], runs["block"], strict=True) if block == 0}

    # 2 / eta with eta = 0.2; 2 (1 + mu) / eta with eta = 0.2 (1 - mu)
    assert lines == {"SGD": 10.0, "SGDM μ = 0.5": pytest.approx(30.0), "SGDM μ = 0.9": pytest.approx(190.0)}
    nesterov = pl.when(pl.col("momentum") > 0).then(pl.lit("nesterov")).otherwise("optimizer").alias("optimizer")
    changed = results.having(
        runs=results["runs"].with_columns(nesterov), partings=results["partings"].with_columns(nesterov)
    )
    runs = build_explorer(changed, points, Report()).data["runs"]
    found = {o: line for o, line, block in zip(runs["label"], runs["line"], runs["block"], strict=True) if block == 0}
    assert found["Nesterov μ = 0.9"] == pytest.approx(190.0 / 2.8, rel=1e-5)


def test_the_page_is_told_how_to_name_each_optimizer(explorer):
    named = explorer.data["optimizers"]
    levels = first_block(explorer.data).rows["levels"]

    assert named == {
        "name": ["SGD", "SGDM μ = 0.5", "SGDM μ = 0.9"],
        "short": ["SGD", "μ = 0.5", "μ = 0.9"],
        "line_name": ["SGD: 2/η", "μ = 0.5: 2(1+μ)/η", "μ = 0.9: 2(1+μ)/η"],
    }
    assert [level["name"] for level in levels] == named["line_name"]


def test_an_optimizer_of_which_nothing_is_known_has_neither_line_nor_gap(results, points, mystery):
    named = pl.when(pl.col("momentum") == 0.9).then(pl.lit(mystery.name)).otherwise("optimizer").alias("optimizer")
    changed = results.having(**{name: results[name].with_columns(named) for name in ("runs", "partings")})

    data = build_explorer(changed, points, Report()).data

    known = {name: line is not None for name, line in zip(data["runs"]["label"], data["runs"]["line"], strict=True)}
    assert known == {"SGD": True, "SGDM μ = 0.5": True, "Mystery μ = 0.9": False}
    for sgdm, gap in zip(data["pairs"]["sgdm"], data["pairs"]["gap"], strict=True):
        assert (_curve(data, gap, log=False) == {}) == (data["runs"]["label"][sgdm] == "Mystery μ = 0.9")
    assert {row["label"] for row in first_block(data).rows["levels"]} == {"SGD", "SGDM μ = 0.5"}


@pytest.fixture(scope="module")
def with_branches(results, points):
    """SGD at b = 64, eta_ef = 0.2 again: as twins and, with a tenth of the loss, as branches."""
    parents = results["runs"].filter(batch_size=64, eta_ef=0.2, momentum=0.0)
    about = {
        "twin": {"twin_of": pl.col("run_id")},
        "branch": {
            "branch_of": pl.col("run_id"),
            "intervention": pl.lit("momentum 0.9"),
            "intervention_step": pl.lit(50, dtype=pl.Int64),
        },
    }
    runs, rows, found = [results["runs"]], [points], [results["sharpenings"]]
    for name, columns in about.items():
        renamed = pl.col("run_id") + f"-{name}"
        of_parents = pl.col("run_id").is_in(parents["run_id"].to_list())
        runs.append(parents.with_columns(**columns).with_columns(run_id=renamed))
        rows.append(points.filter(of_parents).with_columns(run_id=renamed, loss=pl.col("loss") / 10))
        found.append(results["sharpenings"].filter(of_parents).with_columns(run_id=renamed))
    return results.having(runs=pl.concat(runs), sharpenings=pl.concat(found)), pl.concat(rows)


def test_a_branch_is_a_line_of_its_own_and_a_twin_is_none(explorer, with_branches):
    data = build_explorer(*with_branches, Report()).data
    runs, alone = data["runs"], explorer.data

    assert not [name for name in runs["id"] if name.endswith("-twin")]
    branches = [k for k, name in enumerate(runs["id"]) if name.endswith("-branch")]
    assert {(runs["label"][k], runs["line"][k]) for k in branches} == {("SGD then momentum 0.9", None)}
    assert data["blocks"]["caption"][0].startswith(
        "Sharpens abruptly: SGD in 3 of 3 seeds (step 100 to 120), SGDM μ = 0.5"
    )
    assert "SGD then momentum 0.9 in 3 of 3 seeds" in data["blocks"]["caption"][0]

    def medians(of):
        firsts, runs = of["medians"]["first"], of["runs"]
        return {
            (runs["label"][first], runs["block"][first]): _curve(of, of["medians"]["loss"][k])
            for k, first in enumerate(firsts)
        }

    with_them, without = medians(data), medians(alone)
    assert with_them["SGD", 0] == without["SGD", 0]
    assert with_them["SGD then momentum 0.9", 0][20] == pytest.approx(without["SGD", 0][20] / 10, rel=1e-3)
    levels = {row["label"] for row in first_block(data).rows["levels"]}
    assert levels == {"SGD", "SGDM μ = 0.5", "SGDM μ = 0.9"}


def test_the_gap_is_of_losses_a_lag_apart(explorer):
    data = explorer.data
    pair = data["pairs"]["sgdm"].index(_index(data, "b64-r0.2-m0.5-s0"))
    gap = _curve(data, data["pairs"]["gap"][pair], log=False)

    # Loss 1 / (1 + t) of both, a lag of one step once the velocity is built up: log 1/(1 + t) - log 1/(2 + t).
    late = {step: value for step, value in gap.items() if step > 20}
    assert late
    for step, value in late.items():
        assert value == pytest.approx(np.log((step + 2) / (step + 1)), abs=2e-4)
    assert min(gap) == 0


def test_a_small_page_keeps_whole_blocks_and_says_which(results, points):
    explorer = build_explorer(results, points, Report(max_runs=20))

    # Nine runs a block; the two in which something happens come first.
    assert len(explorer.data["runs"]["id"]) == 18
    assert "The page holds the curves of 18 of 54 runs" in explorer.note
    assert "The page holds" not in build_explorer(results, points, Report()).note


def test_the_note_says_how_many_points_of_how_many_are_drawn(results, points):
    explorer = build_explorer(results, points, Report(points_per_curve=40))
    drawn = sum(
        len(unpack(curve[name][1:], log=True))
        for curve in explorer.data["curves"]
        for name in ("loss", "directional_curvature")
    )

    assert explorer.note.startswith(f"{drawn:,} of {2 * len(points):,} logged points are drawn, every spike kept")
    assert drawn < 2 * len(points) / 4


def test_the_median_is_of_all_points_in_log_and_ends_with_half_of_the_seeds():
    steps = np.arange(0, 101, 10)
    level = {1.0: steps, 4.0: steps[:6], 16.0: steps[:3]}
    curves = [(s, np.full(len(s), value)) for value, s in level.items()]

    at, values = median_curve(curves)

    assert at[-1] == 50
    # Of 1, 4 and 16 it is 4; of 1 and 4, in log, 2.
    assert values[at <= 20] == pytest.approx(4.0)
    assert values[at > 20] == pytest.approx(2.0)
    assert len(median_curve(curves[:2])[0]) == 0


def test_the_first_block_for_a_picture_has_a_row_for_each_kind_of_event(explorer):
    block = first_block(explorer.data)

    assert [row["name"] for row in block.rows["rows"]] == [
        "SGD sharpens",
        "SGD reaches its line",
        "μ = 0.5 parts from SGD",
        "μ = 0.9 parts from SGD",
    ]
    sharpens = sorted(e["at"] for e in block.rows["events"] if e["kind"] == "sharpens")
    assert sharpens == [101, 111, 121]  # steps + 1
    assert block.title == "b = 64, η_ef = 0.2, 3 seeds"
    assert {row["name"] for row in block.rows["levels"]} == {"SGD: 2/η", "μ = 0.5: 2(1+μ)/η", "μ = 0.9: 2(1+μ)/η"}


def test_a_range_covers_its_values_and_has_ticks():
    low, high = y_range([0.1, 10.0, float("inf")], log=True)

    assert low < 0.1 and high > 10.0 and high < 20
    assert y_ticks(low, high) == pytest.approx([0.1, 0.2, 0.5, 1, 2, 5, 10])
    assert y_range([], log=True) == (0.1, 1.0)
    assert len(y_ticks(1e-12, 1e12)) <= 9
