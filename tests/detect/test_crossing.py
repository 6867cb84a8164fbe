"""Truth: series that cross their line at a known step; Chebyshev trainings by hand, in float64, with a dense Hessian.

MSTUDY_STABILITY_LOGS may name the folder of other people's logs: gbs_sweep of edge-of-stochastic-stability (commit
f4f196e), cut to the lines of measurement, as SGD_1024.out and so on.
"""

import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Cadence, Detect, Grid, Init, Study
from mstudy.core.statuses import CrossingStatus
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.detect.crossing import find_crossing
from mstudy.detect.stability import find_stability
from mstudy.runlog.reading.reader import read_runs
from mstudy.train.stage import train_study
from mstudy.train.sweep.store import Store


def test_the_line_is_crossed_where_the_first_value_is_above_it():
    steps, curvature = np.arange(0, 80, 10), np.array([1.0, 9.7, np.nan, 10.5, 9.0, 10.1, 10.2, np.inf])

    def crossing(**changes):
        return find_crossing(steps, curvature, 10.0, Detect(**changes)).step

    assert crossing() == 30
    assert crossing(crossing_points=2) == 50
    assert crossing(crossing_points=3) is None
    assert crossing(crossing_tolerance=0.05) == 10
    assert crossing(crossing_tolerance=0.05, crossing_points=2) == 10  # a value that was not measured is none
    assert find_crossing(steps, curvature, 20.0, Detect()).step is None
    assert find_crossing(steps, np.full(8, np.nan), 10.0, Detect()).step is None


def test_a_run_that_crosses_and_leaves_its_line_has_a_crossing_in_the_table():
    steps = np.arange(0, 2000, 20)
    values = np.where(steps < 720, 1.0 + steps / 180, 3.0)
    values[36:40] = 5.2  # above 2/0.4 from step 720 on for four rows
    run = {"run_id": "a", "optimizer": "sgd", "learning_rate": 0.4, "momentum": 0.0, "branch_of": None}
    points = {"run_id": ["a"] * 100, "step": steps, "loss": np.ones(100), "directional_curvature": values}

    row = detect_sharpenings(pl.DataFrame([run]), pl.DataFrame(points), Detect()).sharpenings.row(0, named=True)

    assert row["crossing_step"] == 720
    branch = pl.DataFrame([run | {"branch_of": "b"}], schema_overrides={"branch_of": pl.String})
    assert detect_sharpenings(branch, pl.DataFrame(points), Detect()).sharpenings["crossing_step"].to_list() == [None]


def test_a_crossing_lies_between_the_measured_steps_beside_it():
    steps, curvature = np.array([0, 10, 30, 60, 100, 110]), np.array([1.0, 2.0, np.nan, 12.0, 13.0, 14.0])

    found = find_crossing(steps, curvature, 10.0, Detect())

    assert (found.step, found.step_low, found.step_high) == (60, 10, 80)
    assert (found.status, found.followup_step) == (CrossingStatus.CROSSED, 110)
    assert find_crossing(steps, curvature, 10.0, Detect(crossing_points=3)).followup_step == 60


def test_a_crossing_at_an_end_of_the_log_has_half_of_the_gap_that_is_there():
    steps = np.array([100, 120, 150])

    first, last = (find_crossing(steps, np.array(v), 10.0, Detect()) for v in ([11.0, 9, 9], [9.0, 9, 11]))

    assert (first.step_low, first.step, first.step_high) == (90, 100, 110)
    assert (last.step_low, last.step, last.step_high) == (120, 150, 165)
    only = find_crossing(steps[:1], np.array([11.0]), 10.0, Detect())
    assert (only.step_low, only.step, only.step_high) == (100, 100, 100)


def test_a_run_that_cannot_be_told_says_why():
    steps = np.arange(3)

    assert find_crossing(steps, np.full(3, np.nan), 10.0, Detect()).status == "no_curvature"
    assert find_crossing(steps, np.full(3, 20.0), 10.0, Detect(crossing_points=4)).status == "too_short"
    assert find_crossing(steps, np.full(3, 9.0), 10.0, Detect()).status == "none"


# Steps of the crossing on lambda_max of Chebyshev trainings, apart from this project: a dense Hessian every 20 steps.
CROSSINGS = [(0.4, 200), (0.4, 720), (0.2, 1560), (0.2, 2440), (0.2, 3720)]


@pytest.mark.parametrize("rate, crossing", CROSSINGS)
def test_the_crossing_is_told_where_the_band_holds_much_of_the_way_there(rate, crossing):
    steps, line = np.arange(0, 8000, 20), 2 / rate
    rising = 0.55 * line * (1 / 0.55) ** (steps / crossing)
    curvature = np.where(steps < crossing, rising, line * (1.03 + 0.02 * np.sin(steps)))

    assert find_crossing(steps, curvature, line, Detect()).step == crossing
    assert find_stability(steps, curvature, np.ones(400), line, Detect()).step < crossing


class Chebyshev:
    """Gradient descent on 20 points, 1-100-1 tanh, half the mean square, written out in float64."""

    def __init__(self, degree, seed, init):
        network = Mlp((1, 100, 1), "tanh", OBJECTIVES["squared_error"], init=init)
        (w, b), (a, c) = network.layers(network.initial_weights(seed)[None].double())
        self.w, self.b, self.a, self.c = (p.numpy().ravel().copy() for p in (w, b, a, c))
        self.x = np.linspace(-1, 1, 20)
        self.y = np.polynomial.Chebyshev.basis(degree)(self.x)

    def step(self, rate):
        h, residual, _ = self._forward()
        back = residual[:, None] * (1 - h**2) * self.a
        slopes = (back * self.x[:, None]).mean(0), back.mean(0), (residual[:, None] * h).mean(0), residual.mean()
        for parameter, slope in zip((self.w, self.b, self.a, self.c), slopes, strict=True):
            parameter -= rate * slope

    def _forward(self):
        h = np.tanh(np.outer(self.x, self.w) + self.b)
        return h, h @ self.a + self.c - self.y, 1 - h**2

    def largest_eigenvalue(self):
        """Of the dense Hessian: J'J/n and the residuals times the second derivatives of tanh."""
        h, residual, slope = self._forward()
        x, r, bend = self.x[:, None], residual[:, None], -2 * h * slope
        jacobian = np.concatenate([self.a * slope * x, self.a * slope, h, np.ones((20, 1))], axis=1)
        hessian = jacobian.T @ jacobian / 20
        w, b, a = (np.arange(100) + 100 * k for k in range(3))
        for one, other, values in (
            (w, w, r * self.a * bend * x**2), (w, b, r * self.a * bend * x), (b, b, r * self.a * bend),
            (w, a, r * slope * x), (b, a, r * slope),
        ):  # fmt: skip
            hessian[one, other] += values.mean(0)
            if one is not other:
                hessian[other, one] += values.mean(0)
        return np.linalg.eigvalsh(hessian)[-1]


@pytest.mark.parametrize("degree, rate, n_steps", [(3, 0.4, 500), (4, 0.4, 1100)])
def test_chebyshev_crosses_where_a_dense_hessian_says(degree, rate, n_steps, tmp_path):
    init = Init("xavier_normal", zero_biases=True)
    by_hand = Chebyshev(degree, 0, init)
    np.savez(tmp_path / "chebyshev.npz", x=by_hand.x[:, None], y=by_hand.y)
    every = {"directional_curvature": 0, "sharpness": 1, "batch_sharpness": 0}
    cadence = Cadence(dense_steps=0, growth=0.04, every=every, adaptive_factor=None)
    study = Study(
        str(tmp_path / "chebyshev.npz"), model="mlp-tanh-100", init=init, batch_sizes=("full",),
        eta_ef=Grid(rate, rate, 1), momenta=(0.0,), seeds=1, steps=n_steps, log=cadence,
    )  # fmt: skip
    train_study("chebyshev", study, Store(tmp_path / "store"), tmp_path / "runs", 1, "cpu")
    folder = read_runs(tmp_path / "runs")
    points = folder.series(columns=["step", "loss", "sharpness"])
    logged = points["step"].to_list()
    at = 0
    while by_hand.largest_eigenvalue() <= 2 / rate:
        nearest = min(step for step in logged if step > at)
        for _ in range(nearest - at):
            by_hand.step(rate)
        at = nearest

    found = detect_sharpenings(folder.runs, points, Detect(quantity="sharpness")).sharpenings.row(0, named=True)

    assert 0 < at < n_steps
    beside = logged[max(logged.index(at) - 1, 0)], logged[min(logged.index(at) + 1, len(logged) - 1)]
    assert beside[0] <= found["crossing_step"] <= beside[1]


LINE = re.compile(r"Epoch (\d+), Step (\d+): Total lambda max = (\S+), Loss = (\S+) ")
LOGGED = "Epoch {}, Step {}: Total lambda max = {}, Loss = {} !!!\n"
FIRST_ABOVE = [("SGD_1024", 4_608), ("SGD_256", 6_656), ("SGD_64", 25_088), ("SGD_8", None)]


def crossing_of(text, batch_size, line):
    found = [(int(epoch), int(step), float(value)) for epoch, step, value, _ in LINE.findall(text)]
    steps = [(epoch - 1) * (8192 // batch_size) + step for epoch, step, _ in found]
    return find_crossing(np.array(steps), np.array([value for *_, value in found]), line, Detect()).step


def test_a_text_log_of_the_form_of_others_crosses_where_its_lines_say():
    values = [(1, 3.1), (33, 120.5), (65, 199.8), (97, 203.2), (129, 190.0), (161, 207.7)]
    text = "".join(LOGGED.format(epoch, 0, value, 0.5) for epoch, value in values)

    assert crossing_of(text, 1024, 200.0) == 96 * 8
    assert crossing_of(text, 1024, 210.0) is None


@pytest.mark.skipif("MSTUDY_STABILITY_LOGS" not in os.environ, reason="MSTUDY_STABILITY_LOGS names no folder of logs")
@pytest.mark.parametrize("name, first_above", FIRST_ABOVE)
def test_other_people_s_runs_cross_where_their_logs_say(name, first_above):
    text = (Path(os.environ["MSTUDY_STABILITY_LOGS"]) / f"{name}.out").read_text()

    assert crossing_of(text, int(name.partition("_")[2]), 2 / 0.01) == first_above
