"""Truth: sentences and encodings by hand; an attack in every place where text appears."""

import json
import re
from dataclasses import replace

import altair as alt
import polars as pl
import pytest
from markupsafe import escape
from mstudy.inference.losses import summarise_losses
from mstudy.params import Analysis, Report
from mstudy.report import captions, charts
from mstudy.report.downsample import keep_spikes
from mstudy.report.page import _bundle, as_json, render_report
from mstudy.report.theme import colours
from mstudy.runlog.reader import read_runs
from mstudy.steps.analyze import analyze

ATTACK = "<img src=x onerror=alert(1)></script>\u2028'\""


@pytest.fixture
def study(save_sweep, tmp_path):
    folder = save_sweep()
    return analyze(folder, tmp_path / "out", Analysis()), read_runs(folder).points


def test_a_spike_survives_and_the_ends_too():
    log = pl.DataFrame({"step": range(10_000), "loss": [1.0] * 10_000}).with_columns(
        pl.when(pl.col("step") == 4321).then(9.0).otherwise("loss").alias("loss")
    )

    kept = keep_spikes(log, "loss", 100)

    assert len(kept) <= 100
    assert {0, 4321, 9999} <= set(kept["step"])
    assert kept["step"].is_sorted()
    assert keep_spikes(log.head(50), "loss", 100).equals(log.head(50))


def test_threshold_sentences():
    row = {"batch_size": 256, "momentum": 0.9, "eta_ef_star": 0.29, "ci_low": 0.24, "ci_high": 0.34}
    row |= {"n_seeds": 5, "n_cells": 9, "optimizer": "heavy_ball"}

    assert captions.threshold_sentence(row | {"status": "estimated"}) == (
        "At b = 256, SGDM μ = 0.9 helps from η_ef = 0.29 [0.24, 0.34] (5 seeds, 9 learning rates)."
    )
    assert "already at the lowest" in captions.threshold_sentence(row | {"status": "below_grid"})
    assert "at no learning rate tried" in captions.threshold_sentence(row | {"status": "above_grid"})
    assert "too few" in captions.threshold_sentence(row | {"status": "insufficient"})


def test_numbers_and_intervals():
    assert captions.number(None) == "–"
    assert captions.number(0.12345) == "0.123"
    assert captions.interval(None, 1.0) == "[not estimable]"


def test_study_sentence_counts(study):
    sentence = captions.study_sentence(study[0].runs)

    assert sentence.startswith("60 runs of m on d: batch sizes 8, 16; effective learning rates 0.05 to 0.8;")
    assert "3 seeds; 6 runs diverged" in sentence


def test_losses_are_geometric_means_over_seeds(study):
    losses = summarise_losses(study[0].runs)

    sgd_at_8 = (pl.col("eta_ef") == 0.1) & (pl.col("momentum") == 0) & (pl.col("batch_size") == 8)
    row = losses.row(by_predicate=sgd_at_8, named=True)
    finals = study[0].runs.filter(sgd_at_8)["final_loss"]
    assert row["loss"] == pytest.approx(finals.product() ** (1 / 3))
    assert (row["loss_low"], row["loss_high"], row["n_finished"]) == (finals.min(), finals.max(), 3)


def test_one_colour_an_optimiser_sgd_first():
    palette = colours([("heavy_ball", 0.9), ("sgd", 0.0), ("nesterov", 0.9), ("heavy_ball", 0.5)])

    assert list(palette) == ["SGD", "SGDM μ = 0.5", "SGDM μ = 0.9", "Nesterov μ = 0.9"]
    assert len(set(palette.values())) == 4


def encodings(chart: alt.LayerChart) -> list[dict]:
    return [layer["encoding"] for layer in chart.to_dict()["layer"]]


def test_charts_are_titled_with_units_and_logarithmic(study):
    results, _ = study
    palette = colours(results.runs.select("optimizer", "momentum").rows())
    one = results.advantage.filter(pl.col("batch_size") == 8)
    losses = summarise_losses(results.runs).filter(pl.col("batch_size") == 8)

    band, line, crosses, _ = encodings(charts.loss_by_rate(losses, palette))
    assert line["x"]["title"] == "effective learning rate η/(1−μ)"
    assert (line["x"]["scale"]["type"], line["y"]["scale"]["type"]) == ("log", "log")
    assert {band["y"]["field"], band["y2"]["field"]} == {"loss_low", "loss_high"}
    assert crosses["y"]["field"] == "ceiling"
    zone, bars, _, triangles = encodings(charts.advantage_by_rate(one, 0.05, palette))
    assert zone["y"]["title"] == "log L(SGD) / L(SGDM)"
    assert (bars["y"]["field"], bars["y2"]["field"]) == ("ci_low", "ci_high")
    assert triangles["shape"]["field"] == "diverged"
    per_sample = encodings(charts.thresholds_by_batch(results.thresholds, True, palette))[1]
    assert per_sample["y"]["title"] == "threshold per sample, η/((1−μ)·b)"


def test_the_planted_study_is_told_as_it_is(study):
    results, points = study

    html = render_report(results, points, Report())

    assert "SGD sharpens abruptly at step" in html
    assert "SGDM μ = 0.9 shows no abrupt sharpening" in html
    assert all(str(escape(claim["statement"])) in html for claim in results.claims)
    assert html.count('class="chart"') == len(re.findall(r'<script type="application/json"', html))


def test_the_page_asks_for_nothing(study):
    html = render_report(*study, Report())

    assert "default-src 'none'" in html
    assert not re.search(r'(src|href)=["\']?(https?:)?//', html)
    assert "editor: false" in html


def test_the_same_results_give_the_same_page(study):
    assert render_report(*study, Report()) == render_report(*study, Report())


def test_text_from_logs_is_never_markup(study):
    results, points = study
    named = {name: pl.lit(ATTACK).alias(name) for name in ("study", "model", "dataset")}

    def poison(frame):
        ids = [c for c in ("run_id", "sgd_run_id", "sgdm_run_id") if c in frame.columns]
        frame = frame.with_columns(named[c] for c in named if c in frame.columns)
        return frame.with_columns((pl.lit(ATTACK) + pl.col(c)).alias(c) for c in ids)

    tables = {n: poison(getattr(results, n)) for n in ("runs", "sharpenings", "partings", "advantage", "thresholds")}
    claims = [claim | {"reason": ATTACK, "unit": ATTACK} for claim in results.claims]
    poisoned = replace(results, **tables, claims=claims, problems=[{"path": ATTACK, "reason": ATTACK}])

    html = render_report(poisoned, poison(points), Report(title=ATTACK))

    ours = html.replace(_bundle(), "")
    assert "<img" not in ours
    assert "\u2028" not in "".join(re.findall(r"(?s)<script.*?</script>", ours))
    assert ours.count("&lt;img") > 10


def test_json_for_a_script_element():
    text = as_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": "</script>\u2028&"})

    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": "</script>\u2028&"}
    assert "<" not in text and "\u2028" not in text


@pytest.mark.parametrize("kept", [[0.0], [0.9], [0.0, 0.9]])
def test_a_page_of_little(save_run, tmp_path, kept):
    for mu in kept:
        save_run(momentum=mu, optimizer="heavy_ball" if mu else "sgd", learning_rate=0.1 * (1 - mu))

    results = analyze(tmp_path / "runs", tmp_path / "out", Analysis())

    assert {claim["verdict"] for claim in results.claims} == {"untestable"}
    assert "untestable" in (tmp_path / "out" / "index.html").read_text()
