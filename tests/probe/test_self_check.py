"""The curvature against second differences of the loss. Truth: by hand, and dense Hessians in float64."""

import json
import math
import warnings

import pyarrow.parquet as pq
import pytest
import torch
from mstudy.core.statuses import CurvatureCheck
from mstudy.probe import row_measure
from mstudy.probe.checks.second_differences import Comparison, SecondDifference, judged, second_difference
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.runlog.recording.logger import RunLogger
from mstudy.runlog.validate import validate
from torch import nn

from tests.probe.dense import X, Y, cross_entropy, loss_again, measured, nothing_known, perceptron, truth

EPS = torch.finfo(torch.float64).eps
ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 24, "seed": 0}
LINES = {  # a loss along a line, and its second derivative at 0
    "square": (lambda t: 1 + 2 * t + 3 * t**2, 6.0),
    "exponential": (lambda t: math.exp(5 * t), 25.0),
    "steep": (lambda t: 1 + 1e6 * math.expm1(1e-3 * t) ** 2 + math.cos(300 * t), 2 - 9e4),
    "flat": (lambda t: 3.0 + 1e-6 * t**2, 2e-6),
    "line": (lambda t: 3.0 + t, 0.0),
}


@pytest.mark.parametrize("name", LINES)
def test_a_second_difference_is_right_within_its_error(name):
    line, expected = LINES[name]

    found = second_difference(line, EPS)

    assert abs(found.value - expected) <= found.error <= 0.02 * abs(expected) + 1e-9


@pytest.mark.parametrize(
    "line", [lambda t: abs(t) + t**2, lambda t: math.floor(1e7 * t), lambda t: math.nan, lambda t: abs(t) ** 1.5]
)
def test_kinks_steps_and_no_numbers_are_undecided(line):
    assert judged([2.0], second_difference(line, EPS)) == CurvatureCheck.UNDECIDED


def test_verdicts():
    assert judged([2.001], SecondDifference(2.0, 1e-6)) == CurvatureCheck.PASSED
    assert judged([2.1], SecondDifference(2.0, 1e-6)) == CurvatureCheck.FAILED
    assert judged([2.1, 2.0], SecondDifference(2.0, 1e-6)) == CurvatureCheck.PASSED
    assert judged([2.1], SecondDifference(2.0, 1.0)) == CurvatureCheck.UNDECIDED
    assert judged([0.0], SecondDifference(2.0, 1e-6)) == CurvatureCheck.FAILED


def test_a_net_with_kinks_is_checked_between_them():
    module = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    *_, probe = measured(module, cross_entropy, (X, Y))

    assert probe.about["curvature_check"] in ("passed", "undecided")


class Hidden(torch.autograd.Function):
    """x^4 whose backward pass hides half of its own derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**4

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 4 * x.detach() * x.detach() * x


def hidden_loss(module, batch):
    return Hidden.apply(module(batch[0])).mean()


def hidden_again(p):
    from tests.probe.dense import output

    return (output(p) ** 4).mean()


def test_a_wrong_second_derivative_is_found_said_once_and_replaced(tmp_path):
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, hidden_loss, (X, Y), optimizer, sharpness_every=1)
    rows = []
    with (
        pytest.warns(UserWarning, match="must agree with second differences of the loss, found .* in Hidden") as told,
        RunLogger(tmp_path / "a.parquet", **ABOUT) as log,
    ):
        for _ in range(3):
            before = [p.detach().clone() for p in module.parameters()]
            optimizer.zero_grad()
            hidden_loss(module, (X, Y)).backward()
            optimizer.step()
            probe.log_to(log)
            rows.append(truth(module, before, hidden_again))

    assert len(told) == 1
    table = pq.read_table(tmp_path / "a.parquet")
    for column, k in (("directional_curvature", 0), ("loss", 2)):
        assert table[column].to_pylist() == pytest.approx([row[k] for row in rows], rel=1e-5)
    assert table["sharpness"].to_pylist() == pytest.approx([row[1] for row in rows], rel=0.03)
    about = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"mstudy"])
    assert (about["curvature_check"], about["curvature_by"]) == ("failed", "differences")
    (problem,) = [p for p in validate(tmp_path).problems if p.rule == "curvature-check"]
    assert "curvatures by 'differences' instead" in problem.reason


class Straight(torch.autograd.Function):
    """A square whose gradient is another function's: no differences of it are those of the loss."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 5 * x


def test_where_no_derivative_is_that_of_the_loss_there_is_no_curvature():
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, lambda m, b: Straight.apply(m(b[0])).mean(), (X, Y), optimizer, sharpness_every=1)
    found = []
    with pytest.warns(UserWarning, match="must agree with second differences of the loss"):
        for _ in range(2):
            cross_entropy(module, (X, Y)).backward()
            optimizer.step()
            found.append(probe.read())

    assert all(nothing_known(row) and row["loss"] is not None for row in found)
    assert "curvature_by" not in found[0]
    assert probe.about["curvature_check"] == "failed" and probe.about["failed_measurements"] == 2


class Tally:
    """Not among what a measurement puts back."""

    n = 0


def evaluations(check_every, n_steps=5):
    module, tally, calls = perceptron(), Tally(), []

    def loss(m, batch):
        tally.n += not isinstance(m[0].weight, nn.Parameter)
        return cross_entropy(m, batch)

    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, loss, (X, Y), optimizer, every=2, check_every=check_every)
    for _ in range(n_steps):
        start = tally.n
        cross_entropy(module, (X, Y)).backward()
        optimizer.step()
        calls.append(tally.n - start)
    assert probe.about == {"curvature_check": "passed"}
    return calls


def test_the_first_measured_row_is_checked_and_then_as_often_as_asked_for():
    assert [n > 10 for n in evaluations(0)] == [True, False, False, False, False]
    assert [n > 10 for n in evaluations(2)] == [True, False, False, False, True]


def test_a_check_that_is_no_number_is_refused():
    with pytest.raises(Exception, match="check_every must be at least 0, found -1"):
        measured(perceptron(), cross_entropy, (X, Y), check_every=-1)


def test_a_module_that_names_float32_is_checked_in_float32():
    def loss(module, batch):
        table = torch.zeros(6, 6).fill_diagonal_(1.0)
        return cross_entropy(module, (batch[0] @ table, batch[1]))

    module = perceptron()
    row, before, probe = measured(module, loss, (X, Y))

    assert row["directional_curvature"] == pytest.approx(truth(module, before, loss_again)[0], rel=1e-5)
    assert probe.about["curvature_check"] in ("passed", "undecided")


@pytest.mark.parametrize(("activation", "outcome"), [(nn.ReLU, "undecided"), (nn.Tanh, "failed")])
def test_differences_across_many_kinks_refute_nothing(monkeypatch, activation, outcome):
    """A wide net with kinks at every step curves its loss as much again, and three neighbours may agree on it."""
    wrong = Comparison(CurvatureCheck.FAILED, SecondDifference(1e3, 1e-6))
    monkeypatch.setattr(row_measure, "compared", lambda *_: wrong)
    module = nn.Sequential(nn.Linear(6, 8), activation(), nn.Linear(8, 3))

    with warnings.catch_warnings(action="ignore"):
        row, *_, probe = measured(module, cross_entropy, (X, Y))

    assert probe.about["curvature_check"] == outcome
    assert (row["directional_curvature"] is None) == (outcome == "failed")
