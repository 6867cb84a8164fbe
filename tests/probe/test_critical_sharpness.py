"""Truth: the closed form of a quadratic, and what training logs of the same steps."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from mstudy.core.errors import TrainingError
from mstudy.core.params import Cadence
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.models.build import build
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.probe.learning_rate import learning_rate_of
from mstudy.runlog.recording.logger import RunLogger
from mstudy.train.ensemble.loop import train_ensemble
from torch import nn
from torch.nn import functional

from tests.train.configs import RUN

COLUMNS = {"critical_sharpness", "critical_sharpness_error"}
D = torch.tensor([5.0, 2.0, 0.5], dtype=torch.float64)


def squares(module, batch):
    return (module(batch[0]) - batch[1]).square().sum() / (2 * len(batch[0]))


def quadratic(dtype=torch.float64):
    """L = w^T diag(D) w / 2, by least squares on the unit vectors times sqrt(3 D)."""
    torch.manual_seed(0)
    module = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(module.weight, 1.0)
    return module.to(dtype), (torch.diag(torch.sqrt(3 * D)).to(dtype), torch.zeros(3, 1, dtype=dtype))


def net():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    return module, (torch.randn(12, 4), torch.randint(3, (12,)))


def cross_entropy(module, batch):
    return functional.cross_entropy(module(batch[0]), batch[1])


def step(module, loss, batch, optimizer):
    optimizer.zero_grad()
    loss(module, batch).backward()
    optimizer.step()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("momentum", "nesterov", "decay"), [(0, False, 0), (0.9, False, 0), (0.5, True, 0.1)])
def test_the_quadratic_in_closed_form(momentum, nesterov, decay, dtype):
    module, batch = quadratic(dtype)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=decay)
    probe = CurvatureProbe(module, squares, batch, optimizer, critical_sharpness_every=1)
    uphill = 0
    for _ in range(12):
        before = module.weight.detach().clone().double().flatten()
        step(module, squares, batch, optimizer)
        v = (before - module.weight.detach().double().flatten()) / 0.1
        row, truth = probe.read(), float((v * D * v).sum() / (v * D * before).sum())
        if truth < 0:
            uphill += 1
            assert (row["critical_sharpness"], row["critical_sharpness_error"]) == (None, None)
            continue
        assert row["critical_sharpness"] == pytest.approx(truth, rel=1e-6 if dtype == torch.float64 else 5e-3)
        assert 0 < row["critical_sharpness_error"] < 0.5 * truth
        if momentum == decay == 0:
            assert row["critical_sharpness"] == pytest.approx(row["directional_curvature"], rel=5e-3)
    assert (uphill > 0) == (momentum == 0.9)


@pytest.mark.parametrize("in_batches", [False, True])
def test_it_takes_eight_forward_passes_with_the_loss_and_no_derivative(in_batches, monkeypatch):
    module, batch = net()
    data = [tuple(t[:6] for t in batch), tuple(t[6:] for t in batch)] if in_batches else batch
    calls = itertools.count()  # a list or a number would be put back after measuring

    def counted(module, batch):
        next(calls)
        return cross_entropy(module, batch)

    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, counted, data, optimizer, directional_curvature=False, critical_sharpness_every=1)
    step(module, cross_entropy, batch, optimizer)  # the first measurement also compares batches with their union
    first, before = probe.read(), next(calls)
    optimizer.zero_grad()
    cross_entropy(module, batch).backward()
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **kwargs: pytest.fail("a derivative was taken"))
    optimizer.step()

    assert next(calls) - before - 1 == (16 if in_batches else 8)
    assert first.keys() == probe.read().keys() == {"step", "loss", "update_norm"} | COLUMNS
    assert first["critical_sharpness"] > 0
    assert probe.about == {}


def test_a_row_without_it_has_no_column_of_it():
    module, batch = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, critical_sharpness_every=2)
    rows = []
    for _ in range(3):
        step(module, cross_entropy, batch, optimizer)
        rows.append(probe.read())

    assert [row.keys() >= COLUMNS for row in rows] == [True, False, True]
    assert all("directional_curvature" in row for row in rows)


def test_batches_and_chunks_give_what_the_whole_gives():
    rows = []
    for given in ({}, {"chunk": 5}, {"as": "list"}):
        module, batch = net()
        data = [tuple(t[:5] for t in batch), tuple(t[5:] for t in batch)] if "as" in given else batch
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        chunk = given.get("chunk")
        probe = CurvatureProbe(module, cross_entropy, data, optimizer, critical_sharpness_every=1, chunk=chunk)
        step(module, cross_entropy, batch, optimizer)
        rows.append(probe.read())

    for row in rows[1:]:
        assert row["critical_sharpness"] == pytest.approx(rows[0]["critical_sharpness"], rel=1e-3)


class Once(torch.autograd.Function):
    """A cube whose backward pass has no derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient * 3 * ctx.saved_tensors[0] ** 2


def test_a_loss_without_a_second_derivative_has_it_all_the_same(recwarn):
    def loss(module, batch):
        return Once.apply(module(batch[0])).square().mean()

    def plain(module, batch):
        return (module(batch[0]) ** 3).square().mean()

    found = []
    for each in (loss, plain):
        module, batch = net()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        probe = CurvatureProbe(
            module, each, batch, optimizer, directional_curvature=False, critical_sharpness_every=1, strict=True
        )
        step(module, each, batch, optimizer)
        found.append(probe.read()["critical_sharpness"])
        assert probe.about == {}

    assert found[0] == found[1] > 0
    assert not [str(each.message) for each in recwarn if "derivative" in str(each.message)]


class Square(torch.autograd.Function):
    """What autograd was taught takes its tensors past every mode of torch."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum()

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient * ctx.saved_tensors[0]


@pytest.mark.parametrize("chunk", [None, 5])
def test_a_parameter_taken_past_the_module_is_named_without_derivatives_too(chunk):
    module, batch = net()
    held = module[0].weight

    def loss(module, batch):
        return cross_entropy(module, batch) + Square.apply(held)

    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(
        module, loss, batch, optimizer, directional_curvature=False, critical_sharpness_every=1, chunk=chunk
    )
    with pytest.warns(UserWarning, match=r"found 0.weight taken from elsewhere; call"):
        step(module, loss, batch, optimizer)
    row = probe.read()

    assert (row["loss"], row["critical_sharpness"], row["critical_sharpness_error"]) == (None, None, None)


def test_a_parameter_behind_a_detach_is_no_fault_of_forward_passes():
    def loss(module, batch):
        return cross_entropy(module, batch) + module[0].bias.detach().square().sum()

    found = []
    for each in (loss, lambda module, batch: cross_entropy(module, batch) + module[0].bias.square().sum()):
        module, batch = net()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        probe = CurvatureProbe(module, each, batch, optimizer, directional_curvature=False, critical_sharpness_every=1)
        step(module, cross_entropy, batch, optimizer)
        found.append(probe.read()["critical_sharpness"])

    assert found[0] == found[1] > 0


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ([0.1, 0.2], "0.1, 0.2"),
        ([0.1, 0.1000001], "0.1, 0.1000001"),
        ([0.0, 0.0], "0"),
        ([float("inf"), float("inf")], "inf"),
    ],
)
def test_learning_rates_that_differ_leave_none_and_say_why(groups, found):
    def trained(strict):
        module, batch = net()
        optimizer = torch.optim.SGD(
            [{"params": part.parameters(), "lr": lr} for part, lr in zip((module[0], module[2]), groups, strict=True)]
        )
        probe = CurvatureProbe(module, cross_entropy, batch, optimizer, critical_sharpness_every=1, strict=strict)
        step(module, cross_entropy, batch, optimizer)
        return probe

    message = f"must have one learning rate above 0 .*, found {found}; give its groups one"
    with pytest.warns(UserWarning, match=message):
        probe = trained(False)
    row = probe.read()

    assert row["critical_sharpness"] is None
    assert groups[1] not in (0.2, 0.1000001) or row["directional_curvature"] > 0
    with pytest.raises(TrainingError, match=message):
        trained(True)


@pytest.mark.parametrize(
    ("rates", "found"), [((None, None), "None"), ((0.1, None), "0.1, None"), ((), "None"), (None, "no parameter")]
)
def test_an_optimizer_without_a_learning_rate_is_named(rates, found):
    module, _ = net()
    parts = (module[0], module[2]) if rates is not None else ()
    groups = [{"params": list(part.parameters())} for part in parts]
    for group, rate in zip(groups, rates or (), strict=False):
        group["lr"] = rate

    with pytest.raises(TrainingError, match=f"must have one learning rate above 0 .*, found {found}; give its groups"):
        learning_rate_of(SimpleNamespace(param_groups=groups), list(module.parameters()))


def test_a_frozen_group_may_have_a_rate_of_its_own():
    module, batch = net()
    module[0].requires_grad_(False)
    groups = [{"params": module[0].parameters(), "lr": 7.0}, {"params": module[2].parameters(), "lr": 0.1}]
    optimizer = torch.optim.SGD(groups)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, critical_sharpness_every=1)
    step(module, cross_entropy, batch, optimizer)

    assert probe.read()["critical_sharpness"] > 0


def test_a_scheduled_rate_is_that_of_the_step():
    module, batch = quadratic()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    probe = CurvatureProbe(module, squares, batch, optimizer, critical_sharpness_every=1)
    for _ in range(4):
        step(module, squares, batch, optimizer)
        schedule.step()
        row = probe.read()
        assert row["critical_sharpness"] == pytest.approx(row["directional_curvature"], rel=1e-6)


def test_a_cadence_that_is_no_multiple_is_refused():
    module, batch = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    with pytest.raises(TrainingError, match="critical_sharpness_every must be 0 or a multiple of every = 2, found 3"):
        CurvatureProbe(module, cross_entropy, batch, optimizer, every=2, critical_sharpness_every=3)


def test_it_finds_what_the_trainer_finds():
    generator = np.random.default_rng(5)
    data = Dataset("toy", generator.normal(size=(40, 6)), generator.integers(0, 3, size=40), 3)
    cadence = Cadence(dense_steps=8, every={"sharpness": 0, "critical_sharpness": 1}, adaptive_factor=None)
    run = replace(RUN, batch_size=40, steps=8, cadence=cadence, optimizer="heavy_ball", momentum=0.5)
    logged = train_ensemble([run], data)[0].columns
    module = build("mlp-tanh-5", (6,), 3)
    network = Mlp((6, 5, 3), "tanh", OBJECTIVES["squared_error"])
    layers = network.layers(network.initial_weights(0)[None])
    linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for part, (weight, bias) in zip(linear, layers, strict=True):
            part.weight.copy_(weight[0].T)
            part.bias.copy_(bias[0, 0])
    batch = (torch.tensor(data.inputs, dtype=torch.float32), torch.eye(3)[torch.tensor(data.targets)])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.5)
    probe = CurvatureProbe(module, squares, batch, optimizer, critical_sharpness_every=1)
    for k in range(8):
        step(module, squares, batch, optimizer)
        row = probe.read()
        assert row["loss"] == pytest.approx(logged["loss"][k], rel=1e-5)
        assert row["critical_sharpness"] == pytest.approx(logged["critical_sharpness"][k], rel=5e-3)


def test_rows_of_a_run_logger(tmp_path):
    module, batch = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(
        module, cross_entropy, batch, optimizer, directional_curvature=False, critical_sharpness_every=2
    )
    with RunLogger(tmp_path / "a.parquet", learning_rate=0.1, batch_size=12, seed=0, momentum=0.0) as log:
        for _ in range(5):
            step(module, cross_entropy, batch, optimizer)
            probe.log_to(log)

    table = pq.read_table(tmp_path / "a.parquet")
    values = table["critical_sharpness"].to_pylist()
    assert [value is not None and value > 0 for value in values] == [True, False, True, False, True]
    assert table["critical_sharpness_error"].null_count == 2
    assert json.loads(table.schema.metadata[b"mstudy"])["learning_rate"] == 0.1


def test_training_is_the_same_with_and_without():
    weights = []
    for measured in (False, True):
        module, batch = net()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        if measured:
            log = SimpleNamespace(log=lambda **row: None)
            probe = CurvatureProbe(
                module, cross_entropy, batch, optimizer, directional_curvature=False, critical_sharpness_every=1
            )
        for _ in range(4):
            step(module, cross_entropy, batch, optimizer)
            if measured:
                probe.log_to(log)
        weights.append(torch.cat([p.detach().flatten() for p in module.parameters()]))

    assert torch.equal(*weights)
