"""Losses compared by difference. Truth: by hand, and a constant added to every loss, which changes nothing."""

import math

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from mstudy import analyze
from mstudy.compare.advantage import measure_advantage
from mstudy.compare.final_losses import summarise_losses
from mstudy.compare.stage import compare
from mstudy.core.analysis_params import Reading
from mstudy.core.errors import ConfigError, LogError
from mstudy.core.losses.scale import Scale, level_of, mean_loss
from mstudy.core.losses.words import WORDS
from mstudy.core.params import Analysis, Compare, Estimate, Margins
from mstudy.estimate.rates.best import compare_best
from mstudy.pairs.gap import LossCurve, gap_between
from mstudy.pairs.interpolation import interpolated_pairs
from mstudy.pairs.loss_units import in_units
from mstudy.report.page.curves import losses_in_units
from mstudy.runlog.reading.reader import read_run, read_runs
from mstudy.runlog.rules.together.loss_fall import loss_units
from mstudy.runlog.validate import validate
from mstudy.tables.contracts import TABLES
from mstudy.tables.table import SETTING

from tests.estimate.tables import SETTING as OF_ROWS
from tests.estimate.tables import runs_of

DIFFERENCE = Analysis(compare=Compare(scale="difference"))


def units(unit):
    return pl.DataFrame([OF_ROWS | {"loss_unit": unit}])


def shifted(folder, target, by, scale=1.0):
    """The same logs, every loss changed."""
    target.mkdir()
    for path in folder.glob("*.parquet"):
        log = pq.read_table(path)
        metadata = {key: value for key, value in log.schema.metadata.items() if key == b"mstudy"}
        losses = log.column("loss").to_numpy() * scale + by
        log = log.set_column(log.column_names.index("loss"), "loss", [losses])
        pq.write_table(log.replace_schema_metadata(metadata), target / path.name)
    return target


def test_levels_and_means_by_hand():
    assert level_of(np.array([-3.0, 0.0]), Scale.DIFFERENCE).tolist() == [-3.0, 0.0]
    assert level_of(np.array([1.0, math.e]), Scale.LOG).tolist() == [0.0, 1.0]
    assert mean_loss(np.array([1.0, 4.0]), Scale.LOG) == pytest.approx(2.0)
    assert mean_loss(np.array([-1.0, 4.0]), Scale.DIFFERENCE) == 1.5


def test_a_cell_by_hand():
    """The loss fell by 4: differences 1.0, 0.8 and 1.2 are shares 0.25, 0.20 and 0.30."""
    losses = {0.0: (-1.0, -1.2, -0.8), 0.9: (-2.0, -2.0, -2.0)}
    runs = in_units(runs_of(lambda b, rate, mu, seed: losses[mu][seed], [0.1], 3), units(4.0), Scale.DIFFERENCE)

    (cell,) = measure_advantage(runs, Margins(), Compare(scale="difference")).rows(named=True)

    assert cell["log_ratio"] == pytest.approx(0.25)
    assert cell["log_ratio_sd"] == pytest.approx(0.05)
    assert cell["superiority_p"] < 0.05 < cell["equivalence_p"]


def test_a_diverged_run_is_beaten_by_the_cap_in_falls():
    runs = runs_of(lambda b, rate, mu, seed: None if mu == 0 else -2.0, [0.1], 3)

    (cell,) = measure_advantage(
        in_units(runs, units(4.0), Scale.DIFFERENCE), Margins(diverged=2.0), Compare(scale="difference")
    ).rows(named=True)

    assert (cell["log_ratio"], cell["n_diverged_sgd"]) == (2.0, 3)


def test_the_gap_by_hand():
    steps = np.arange(4)
    first = LossCurve(steps, np.array([1.0, 0.0, -1.0, -2.0]), None, Scale.DIFFERENCE)
    second = LossCurve(steps, np.array([1.0, -0.5, -2.0, -3.5]), None, Scale.DIFFERENCE)

    assert gap_between(first, second).values.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_final_losses_are_plain_means_and_state_the_unit():
    runs = runs_of(lambda b, rate, mu, seed: (-1.0, 0.0, 4.0)[seed], [0.1], 3)

    row = summarise_losses(runs, Scale.DIFFERENCE, units(4.0)).row(0, named=True)

    assert (row["loss"], row["loss_low"], row["loss_high"], row["loss_unit"]) == (1.0, -1.0, 4.0, 4.0)
    assert summarise_losses(runs, Scale.LOG)["loss_unit"].to_list() == [None, None]


def test_the_best_of_each_by_hand():
    """SGD is best at 0.2, SGDM at 0.4: -1.0 and -3.0 at every seed, and the loss fell by 4."""
    table = {0.0: {0.1: 0.0, 0.2: -1.0, 0.4: -0.5}, 0.9: {0.2: -2.0, 0.4: -3.0, 0.1: 1.0, 0.8: 0.0}}
    runs = runs_of(lambda b, rate, mu, seed: table[mu].get(rate, 3.0), [0.1, 0.2, 0.4, 0.8], 3)

    row = compare_best(in_units(runs, units(4.0), Scale.DIFFERENCE), Margins(), Estimate(), Scale.DIFFERENCE).row(
        0, named=True
    )

    assert (row["sgd_eta_ef"], row["sgdm_eta_ef"], row["log_ratio"]) == (0.2, 0.4, 0.5)


def test_sgd_between_two_rates_is_interpolated_as_it_is():
    """L = x^2 - 3 of x = log2 eta_ef, from 0 to 3: at 1.5 the chord between 1 and 2 is 0.25 above -0.75."""
    runs = runs_of(lambda b, rate, mu, seed: math.log2(rate) ** 2 - 3, [1.0, 2.0, 4.0, 8.0], 1, momenta=())
    alone = runs_of(lambda b, rate, mu, seed: -2.0, [2**1.5], 1).filter(pl.col("momentum") > 0)

    (pair,) = interpolated_pairs(pl.concat([runs, alone]), Scale.DIFFERENCE).rows(named=True)

    assert pair["sgd_final_loss"] == pytest.approx(-0.5)
    assert pair["interpolation_error"] == pytest.approx(0.25)


def test_the_unit_is_the_median_start_less_the_lowest_end(save_run, tmp_path):
    for seed, (start, end) in enumerate([(3.0, -1.0), (2.0, -2.0), (1.0, 0.0)]):
        save_run({"step": np.arange(2), "loss": np.array([start, end])}, seed=seed)
    folder = read_runs(tmp_path / "runs", reading=Reading(Scale.DIFFERENCE))

    assert loss_units(folder.scanned)["loss_unit"].to_list() == [4.0]
    assert folder.runs.sort("seed")["final_loss"].to_list() == [-1.0, -2.0, 0.0]


@pytest.mark.parametrize("scale", Scale)
def test_runs_that_diverged_before_any_loss_that_can_be_compared(save_run, tmp_path, scale):
    for momentum, rate in ((0.0, 0.1), (0.9, 0.01)):
        about = {"momentum": momentum, "learning_rate": rate, "optimizer": "heavy_ball" if momentum else "sgd"}
        losses = np.array([-1.0, -5.0 - momentum, -9.0])
        save_run({"step": np.arange(3), "loss": losses}, status="diverged", diverged_step=3, **about)

    result = analyze(tmp_path / "runs", params=Analysis(compare=Compare(scale=scale.value)))

    assert result["final_losses"]["loss_unit"].to_list() == [None, None]
    assert result["advantage"]["log_ratio"].to_list() == [None]  # a tie of two diverged runs
    assert result["partings"].select("status", "step", "step_low").rows() == [("both_diverged", 3.0, 0.0)]
    runs = result["runs"]
    curves = {run: (np.arange(3), np.ones(3)) for run in runs["run_id"]}
    drawn = losses_in_units(runs, result.results, curves, Scale.DIFFERENCE)
    assert [len(curve.steps) for curve in drawn.values()] == [0, 0]


def test_a_loss_that_does_not_fall_has_no_unit(save_run, tmp_path):
    for seed in (0, 1):
        save_run({"step": np.arange(2), "loss": np.array([-3.0, -2.0])}, seed=seed)

    with pytest.raises(LogError, match="the loss must fall in a run of its setting, found -2 after -3"):
        analyze(tmp_path / "runs", params=DIFFERENCE)


def test_one_sentence_names_the_parameter(save_run, tmp_path):
    path = save_run({"step": np.arange(3), "loss": np.array([1.0, 0.5, -0.5])})
    sentence = "compare.scale: difference takes such a loss"

    with pytest.raises(LogError, match=sentence):
        analyze(tmp_path / "runs")
    (problem,) = [each for each in validate(tmp_path / "runs").problems if each.rule == "loss-not-positive"]
    assert sentence in problem.reason
    assert "constant" not in problem.as_text()
    assert validate(tmp_path / "runs", reading=Reading(Scale.DIFFERENCE)).n_errors == 0
    assert read_run(path).runs.height == 1  # one run is compared with no other


def test_the_parameter_takes_two_words():
    with pytest.raises(ConfigError, match="scale must be log or difference, found 'ratio'"):
        Compare(scale="ratio")


def test_runs_read_for_another_scale_are_refused(save_run, tmp_path):
    save_run()

    with pytest.raises(AssertionError, match=r"must be read for compare\.scale difference"):
        compare(read_runs(tmp_path / "runs"), tmp_path / "out", Margins(), Compare(scale="difference"))


def test_starts_that_differ_are_told_in_falls(save_run, tmp_path):
    for seed in range(3):
        rows = np.arange(3)
        save_run({"step": rows, "loss": np.array([1.0, 0.0, -1.0 - 0.1 * seed])}, seed=seed)
        other = np.array([1.0 + (0.5 if seed == 1 else 0.0), 0.0, -1.0 - 0.1 * seed])
        save_run({"step": rows, "loss": other}, seed=seed, momentum=0.5, learning_rate=0.05, optimizer="heavy_ball")

    problems = validate(tmp_path / "runs", reading=Reading(Scale.DIFFERENCE)).problems

    (start,) = [problem.reason for problem in problems if problem.rule == "initial-loss"]
    assert "found a difference of up to 0.227 of the loss's fall in 1 of 3 pairs" in start


def test_a_loss_with_another_constant_on_one_side_is_refused(save_run, tmp_path):
    for seed in range(3):
        loss = np.array([1.0, 0.0, -1.0 - 0.1 * seed])
        save_run({"step": np.arange(3), "loss": loss}, seed=seed)
        about = {"momentum": 0.5, "learning_rate": 0.05, "optimizer": "heavy_ball"}
        save_run({"step": np.arange(3), "loss": loss - 5.0}, seed=seed, **about)

    problems = validate(tmp_path / "runs", reading=Reading(Scale.DIFFERENCE)).problems

    assert [problem.rule for problem in problems if problem.severity == "error"] == ["loss-units"] * 3


@pytest.fixture
def both(save_sweep, tmp_path):
    """A study by difference, and the same with every loss 10 lower."""
    plain = save_sweep(batch_sizes=(8,))
    below = shifted(plain, tmp_path / "below", -10.0)
    assert (pq.read_table(next(below.glob("*.parquet")))["loss"].to_numpy() < 0).all()
    return analyze(plain, params=DIFFERENCE), analyze(below, tmp_path / "out", DIFFERENCE), tmp_path / "out"


_RAW = {"final_loss", "loss", "loss_low", "loss_high"}  # told as they are


def test_a_constant_changes_nothing(both):
    plain, below, out = both
    for table in TABLES:
        first, second = plain[table.name], below[table.name]
        assert first.height == second.height, table.name
        for name, column in first.to_dict().items():
            other = second[name]
            if name in _RAW:
                other = other + 10.0
            if column.dtype == pl.Float64:
                expected = column.fill_null(np.nan).to_numpy()
                np.testing.assert_allclose(other.fill_null(np.nan), expected, rtol=2e-4, atol=1e-9, err_msg=name)
            else:
                assert column.to_list() == other.to_list(), (table.name, name)
    assert set(below["thresholds"]["status"]) == {"estimated"}
    assert [claim["verdict"] for claim in plain.results.claims] == [claim["verdict"] for claim in below.results.claims]
    assert len(plain["final_losses"].select(*SETTING, "loss_unit").unique()) == 1
    _holds_the_words_of_differences(below, (out / "index.html").read_text())


def _holds_the_words_of_differences(result, page):
    words = WORDS[Scale.DIFFERENCE]
    told = [claim["reason"] + claim["unit"] for claim in result.results.claims if claim["id"] in ("C2", "C3", "C6")]
    assert len(told) == 3
    assert all("log" not in text for text in told)
    assert any(words.symbol in text for text in told)
    assert "(L(SGD) − L(SGDM)) / fall" in page
    assert "log L(SGD)" not in page
    assert '"linear":["loss"]' in page
