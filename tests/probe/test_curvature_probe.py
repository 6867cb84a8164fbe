"""Truth: closed forms, dense Hessians in float64, and the trainer's own measurements."""

import copy
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mstudy.core.errors import DataError, TrainingError
from mstudy.core.params import Cadence
from mstudy.data.dataset import Dataset
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.train.ensemble.loop import train_ensemble
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.train.configs import RUN


@pytest.fixture(autouse=True)
def seeded():
    """Modules take their initial weights from torch's own generator."""
    torch.manual_seed(0)


def cross_entropy(module, batch):
    return functional.cross_entropy(module(batch[0]), batch[1])


def squares(module, batch):
    return (module(batch[0]) - batch[1]).square().sum() / (2 * len(batch[0]))


def net(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).to(dtype)


def samples(n=12, dtype=torch.float64, seed=1):
    chance = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=chance).to(dtype), torch.randint(3, (n,), generator=chance)


def flat(module):
    return torch.cat([p.detach().flatten() for p in module.parameters() if p.requires_grad]).double()


def dense_hessian(module, loss, batch):
    """By torch.func, in the trainable parameters of a copy in float64."""
    module = copy.deepcopy(module).double()
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    shapes = [p.shape for p in named.values()]
    row = torch.cat([p.detach().flatten() for p in named.values()])
    batch = [t.double() if t.is_floating_point() else t for t in batch]

    def of_row(row):
        parts = row.split([math.prod(s) for s in shapes])
        values = {name: part.view(s) for name, part, s in zip(named, parts, shapes, strict=True)}
        return loss(lambda x: torch.func.functional_call(module, values, (x,)), batch)

    return torch.func.hessian(of_row)(row)


def step(module, loss, batch, optimizer):
    optimizer.zero_grad()
    loss(module, batch).backward()
    optimizer.step()


def test_the_quadratic_in_closed_form():
    """L = (w - a)^T diag(d) (w - a) / 2 by least squares on the unit vectors times sqrt(d n)."""
    d = torch.tensor([5.0, 2.0, 0.5], dtype=torch.float64)
    x, y = torch.diag(torch.sqrt(3 * d)), torch.zeros(3, 1, dtype=torch.float64)
    module = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    probe = CurvatureProbe(module, squares, (x, y), optimizer, sharpness_every=1)
    velocity = torch.zeros(3, dtype=torch.float64)

    for k in range(4):
        w = module.weight.detach()[0].clone()
        velocity = 0.9 * velocity + d * w
        step(module, squares, (x, y), optimizer)
        row = probe.read()
        assert row["step"] == k
        assert row["loss"] == pytest.approx(float(d @ w.square()) / 2)
        assert row["directional_curvature"] == pytest.approx(float(d @ velocity.square() / velocity.square().sum()))
        assert row["sharpness"] == pytest.approx(5.0, rel=1e-6)
        assert row["update_norm"] == pytest.approx(0.1 * float(velocity.norm()))
    assert probe.read() is None


def test_the_linear_softmax_model_in_closed_form():
    """Its Hessian is the mean over samples of (diag(p) - p p^T) (x) x x^T."""
    module, (x, y) = nn.Linear(4, 3, bias=False, dtype=torch.float64), samples()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.3)
    probe = CurvatureProbe(module, cross_entropy, (x, y), optimizer, sharpness_every=1)
    p = torch.softmax(x @ module.weight.detach().T, dim=1)
    blocks = [torch.kron(torch.diag(q) - torch.outer(q, q), torch.outer(v, v)) for q, v in zip(p, x, strict=True)]
    hessian, before = torch.stack(blocks).mean(dim=0), flat(module)

    step(module, cross_entropy, (x, y), optimizer)

    u, row = flat(module) - before, probe.read()
    assert row["directional_curvature"] == pytest.approx(float(u @ hessian @ u / (u @ u)))
    assert row["sharpness"] == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=0.02)


OPTIMIZERS = {
    "adamw": lambda m: torch.optim.AdamW(
        [{"params": m[0].parameters(), "lr": 0.01}, {"params": m[2].parameters(), "lr": 0.1, "weight_decay": 0.3}]
    ),
    "nesterov": lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda m: torch.optim.RMSprop(m.parameters(), lr=0.01, centered=True),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("chunk", [None, 5])
def test_any_optimizer_against_the_dense_hessian(name, chunk):
    module, batch = net(), samples()
    optimizer = OPTIMIZERS[name](module)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, every=2, sharpness_every=2, chunk=chunk)

    for k in range(5):
        hessian, before = dense_hessian(module, cross_entropy, batch), flat(module)
        step(module, cross_entropy, batch, optimizer)
        row = probe.read()
        if k % 2:
            assert row is None
            continue
        u = flat(module) - before
        assert row["step"] == k
        assert row["directional_curvature"] == pytest.approx(float(u @ hessian @ u / (u @ u)), rel=1e-10)
        eigenvalues = torch.linalg.eigvalsh(hessian)
        assert row["sharpness"] == pytest.approx(float(eigenvalues[-1]), rel=0.01)
        assert (eigenvalues - row["sharpness"]).abs().min() <= row["sharpness_residual"] * (1 + 1e-9)


def test_a_loader_gives_what_the_whole_batch_gives():
    (x, y), rows = samples(13), []
    data = [(x, y), [(x[:6], y[:6]), (x[6:], y[6:])], DataLoader(TensorDataset(x, y), batch_size=5)]
    for of in data:
        module = net()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        probe = CurvatureProbe(module, cross_entropy, of, optimizer, sharpness_every=1, chunk=4)
        step(module, cross_entropy, (x, y), optimizer)
        rows.append(probe.read())

    assert rows[1] == pytest.approx(rows[0], rel=1e-9)
    assert rows[2] == pytest.approx(rows[0], rel=1e-9)


def test_batch_sharpness_is_the_mean_of_the_batches_ratios():
    module, (x, y) = net(), samples()
    batches = [(x[k : k + 4], y[k : k + 4]) for k in (0, 4, 8)]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, (x, y), optimizer, batch_sharpness_every=1, mini_batches=batches)
    ratios = []
    for batch in batches:
        g = torch.cat([g.flatten() for g in torch.autograd.grad(cross_entropy(module, batch), module.parameters())])
        ratios.append(float(g @ dense_hessian(module, cross_entropy, batch) @ g / (g @ g)))

    step(module, cross_entropy, batches[0], optimizer)

    row = probe.read()
    assert row["batch_sharpness"] == pytest.approx(np.mean(ratios))
    assert row["batch_sharpness_se"] == pytest.approx(np.std(ratios, ddof=1) / 3**0.5)


@pytest.mark.parametrize("chance", [torch.Generator(), torch.default_generator], ids=["own", "global"])
def test_a_loader_that_shuffles_draws_other_batches_at_each_step_and_stays_as_it_was(chance):
    own = None if chance is torch.default_generator else chance
    x, y = samples(40)
    loader = DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True, generator=own)
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-9)
    options = {"batch_sharpness_every": 1, "mini_batches": loader, "batch_sharpness_batches": 2}
    probe = CurvatureProbe(module, cross_entropy, loader, optimizer, **options)
    state, found = chance.get_state(), []

    for _ in range(3):
        step(module, cross_entropy, (x, y), optimizer)
        found.append(probe.read()["batch_sharpness"])

    assert len({round(value, 6) for value in found}) == 3
    assert torch.equal(chance.get_state(), state)


def test_frozen_parameters_are_no_part_of_the_hessian_and_may_thaw():
    module, batch = net(), samples()
    module[0].requires_grad_(False)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, sharpness_every=1)
    for thawed in (False, False, True):
        module[0].requires_grad_(thawed)
        hessian, before = dense_hessian(module, cross_entropy, batch), flat(module)
        step(module, cross_entropy, batch, optimizer)
        u, row = flat(module) - before, probe.read()
        assert len(u) == (43 if thawed else 18)
        assert row["directional_curvature"] == pytest.approx(float(u @ hessian @ u / (u @ u)))


def test_accumulated_gradients_are_one_step():
    module, (x, y) = net(), samples()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, (x, y), optimizer)
    hessian, before = dense_hessian(module, cross_entropy, (x, y)), flat(module)

    for part in (slice(0, 4), slice(4, 12)):
        (cross_entropy(module, (x[part], y[part])) * (part.stop - part.start) / 12).backward()
        assert probe.read() is None
    optimizer.step()

    u = flat(module) - before
    assert probe.read()["directional_curvature"] == pytest.approx(float(u @ hessian @ u / (u @ u)))
    assert probe.steps_done == 1


@pytest.mark.parametrize("kind", ["autocast", "weights"])
def test_mixed_precision_is_measured_in_float32(kind):
    """Autocast leaves float32 weights; weights of bfloat16 are measured at their own values, in float32."""
    module, batch = net(torch.float32), samples(dtype=torch.float32)
    if kind == "weights":
        module, batch = module.bfloat16(), (batch[0].bfloat16(), batch[1])
    optimizer = torch.optim.SGD(module.parameters(), lr=5.0)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, sharpness_every=1)
    hessian, before = dense_hessian(module, cross_entropy, batch), flat(module)
    start = cross_entropy(copy.deepcopy(module).double(), (batch[0].double(), batch[1]))

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind == "autocast"):
        loss = cross_entropy(module, batch)
        loss.backward()
        optimizer.step()

    u, row = flat(module) - before, probe.read()
    assert row["directional_curvature"] == pytest.approx(float(u @ hessian @ u / (u @ u)), rel=1e-4)
    assert row["loss"] == pytest.approx(start.item(), rel=1e-5)
    assert all(p.dtype == (torch.bfloat16 if kind == "weights" else torch.float32) for p in module.parameters())


class Noisy(nn.Module):
    """Batch normalisation, dropout as a module and as a function, and noise that no mode turns off."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)
        self.unused, self.last = nn.Linear(2, 2), nn.Linear(5, 3)
        self.tied, self.noisy = self.last, True

    def forward(self, x):
        x = functional.dropout(self.drop(self.norm(self.first(x))), 0.5, self.training)
        return self.tied(torch.tanh(x + 1e-9 * torch.randn_like(x) if self.noisy else x))


def test_the_training_is_the_same_with_and_without_the_probe():
    """Weights, running statistics, dropout's random numbers, modes and gradients, to the bit."""
    batch, ends = samples(dtype=torch.float32), []
    for with_probe in (False, True):
        torch.manual_seed(3)
        module = Noisy()
        module.last.bias.requires_grad_(False)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        if with_probe:
            options = {"sharpness_every": 1, "batch_sharpness_every": 1, "mini_batches": [batch]}
            probe = CurvatureProbe(module, cross_entropy, batch, optimizer, **options)
        for _ in range(3):
            step(module, cross_entropy, batch, optimizer)
            assert all(part.training for part in module.modules())
        if with_probe:
            assert probe.read()["step"] == 2
        gradients = [None if p.grad is None else p.grad.clone() for p in module.parameters()]
        ends.append((module.state_dict(), gradients, [p.requires_grad for p in module.parameters()], torch.rand(2)))

    (state, gradients, flags, drawn), (state_2, gradients_2, flags_2, drawn_2) = ends
    assert all(torch.equal(state[name], state_2[name]) for name in state)
    assert all((a is None and b is None) or torch.equal(a, b) for a, b in zip(gradients, gradients_2, strict=True))
    assert flags == flags_2 and torch.equal(drawn, drawn_2)


def test_batch_normalisation_uses_the_batch_and_dropout_is_off():
    """Truth: a second difference (torch.func.hessian is off by 1e-3 through batch normalisation in torch 2.13)."""
    module, batch = Noisy().double(), samples()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer)
    plain = copy.deepcopy(module).eval()
    plain.noisy, plain.norm = False, nn.BatchNorm1d(5, track_running_stats=False, dtype=torch.float64)
    before = flat(module)

    step(module, cross_entropy, batch, optimizer)

    direction, h = functional.normalize(flat(module) - before, dim=0), 1e-3
    losses = []
    for t in (-h, 0.0, h):
        nn.utils.vector_to_parameters(before + t * direction, plain.parameters())
        losses.append(cross_entropy(plain, batch).item())
    expected = (losses[0] - 2 * losses[1] + losses[2]) / h**2
    assert probe.read()["directional_curvature"] == pytest.approx(expected, rel=1e-4)


def test_curvature_scales_with_the_loss_and_not_with_the_step():
    found = []
    for scale, rate in ((1.0, 0.1), (3.0, 0.1), (1.0, 1e-4)):
        module, batch = net(), samples()
        optimizer = torch.optim.SGD(module.parameters(), lr=rate)
        probe = CurvatureProbe(module, lambda m, b, s=scale: s * cross_entropy(m, b), batch, optimizer)
        step(module, cross_entropy, batch, optimizer)
        found.append(probe.read()["directional_curvature"])

    assert found[1] == pytest.approx(3 * found[0], rel=1e-9)
    assert found[2] == pytest.approx(found[0], rel=1e-6)


@pytest.mark.parametrize(("rate", "survives"), [(1e-4, True), (1e-5, True), (1e-8, False), (0.0, False)])
def test_an_update_that_drowns_in_rounding_has_no_curvature(rate, survives):
    """Where it survives it is right to 2 %, by float64; weights of about 0.4 have last digits of 3e-8."""
    module, batch = net(torch.float32), samples(dtype=torch.float32)
    hessian = dense_hessian(module, cross_entropy, batch)
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer)

    step(module, cross_entropy, batch, optimizer)

    found = probe.read()["directional_curvature"]
    g = torch.cat([p.grad.flatten() for p in module.parameters()]).double()
    assert found == (pytest.approx(float(g @ hessian @ g / (g @ g)), rel=0.02) if survives else None)


def test_weights_that_rest_do_not_count_as_rounding():
    """An embedding of which a step moves one row: the other rows' last digits are none of its business."""
    module = nn.Embedding(50_000, 4)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-5)
    index = torch.tensor([3])

    def loss(m, batch):
        return (m(batch) ** 2).sum()

    probe = CurvatureProbe(module, loss, index, optimizer)
    step(module, loss, index, optimizer)

    assert probe.read()["directional_curvature"] == pytest.approx(2.0, rel=0.01)


def test_it_finds_what_the_trainer_finds():
    """Full batch, heavy ball, the same initial weights: two routes to the same log."""
    chance = np.random.default_rng(0)
    data = Dataset("toy", chance.normal(size=(24, 6)), chance.integers(0, 3, size=24), 3)
    run = replace(
        RUN,
        n_train=24,
        batch_size=24,
        probe_samples=24,
        model="mlp-tanh-8",
        objective="cross_entropy",
        optimizer="heavy_ball",
        learning_rate=0.05,
        momentum=0.9,
        seed=3,
        cadence=Cadence(dense_steps=12, every={"sharpness": 1}),
    )
    log = train_ensemble([run], data)[0].columns
    module = _with_weights_of(run, data)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    batch = torch.as_tensor(data.inputs, dtype=torch.float32), torch.as_tensor(data.targets)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, sharpness_every=1)

    for k in range(12):
        step(module, cross_entropy, batch, optimizer)
        row = probe.read()
        for name in ("loss", "directional_curvature", "update_norm"):
            assert row[name] == pytest.approx(log[name][k], rel=2e-3), (name, k)
        assert row["sharpness"] == pytest.approx(log["sharpness"][k], rel=0.03)


def _with_weights_of(run, data):
    """The trainer's perceptron as a module: its rows hold (weight, bias) of each layer, inputs first."""
    from mstudy.train.ensemble.build_network import build_network

    row = build_network(run.model, run.objective, data, torch.device("cpu")).initial_weights(run.seed)
    module, start = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)), 0
    for layer in (module[0], module[2]):
        n_out, n_in = layer.weight.shape
        end = start + n_in * n_out
        layer.weight.data = row[start:end].view(n_in, n_out).T.clone()
        layer.bias.data = row[end : end + n_out].clone()
        start = end + n_out
    return module


def test_a_transformer_with_fused_attention_and_a_compiled_module():
    torch.manual_seed(0)
    module = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True).double()
    x = torch.randn(3, 4, 8, dtype=torch.float64)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)

    def loss(m, batch):
        return m(batch).square().mean() + m(batch).pow(4).mean()

    compiled = SimpleNamespace(_orig_mod=module)  # as torch.compile wraps it
    probe = CurvatureProbe(compiled, loss, x, optimizer)
    step(module, loss, x, optimizer)

    assert math.isfinite(probe.read()["directional_curvature"])


def test_rows_go_to_a_log_once_and_hooks_come_off():
    rows, (module, batch) = [], (net(), samples())
    log = SimpleNamespace(log=lambda **row: rows.append(row))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, batch, optimizer, start_step=5)
    step(module, cross_entropy, batch, optimizer)

    probe.log_to(log, accuracy=0.5)
    probe.log_to(log)
    probe.remove()
    step(module, cross_entropy, batch, optimizer)
    probe.log_to(log)

    assert [(row["step"], row["accuracy"]) for row in rows] == [(5, 0.5)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"every": 0}, TrainingError, "every must be at least 1, found 0"),
        ({"every": 2, "sharpness_every": 3}, TrainingError, "sharpness_every must be 0 or a multiple of every = 2, f"),
        ({"batch_sharpness_every": 1}, TrainingError, "mini_batches must be given"),
        ({"batch_sharpness_batches": 0}, TrainingError, "batch_sharpness_batches must be at least 1, found 0"),
        ({"data": iter([])}, DataError, "that can be passed over again, found list_iterator"),
        ({"data": 3}, DataError, "found int"),
        ({"data": DataLoader([0], num_workers=1, persistent_workers=True)}, DataError, "persistent workers"),
        ({"module": nn.DataParallel(net())}, TrainingError, "must be the plain module, found DataParallel"),
        ({"module": net()}, TrainingError, "optimizer must hold trainable parameters of the module"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(change, error, message):
    module = net()
    given = {"module": module, "loss": cross_entropy, "data": samples()} | change
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    with pytest.raises(error, match=message):
        CurvatureProbe(optimizer=optimizer, **given)


@pytest.mark.parametrize(
    ("loss", "data", "error", "message"),
    [
        (lambda m, b: m(b[0]).sum(dim=0), samples(), TrainingError, r"a scalar tensor, found a tensor of shape \(3,\)"),
        (lambda m, b: 0.5, samples(), TrainingError, "a scalar tensor, found 0.5"),
        (cross_entropy, [], TrainingError, "must hold at least one batch with a weight above 0, found none"),
        (
            cross_entropy,
            [(torch.zeros(2, 4), torch.zeros(3))],
            TrainingError,
            "the samples, .* first dimension, found {2, 3}",
        ),
    ],
)
def test_what_is_found_out_while_measuring_is_a_sentence(loss, data, error, message):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    CurvatureProbe(module, loss, data, optimizer, strict=True)

    with pytest.raises(error, match=message):
        step(module, cross_entropy, samples(), optimizer)

    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
