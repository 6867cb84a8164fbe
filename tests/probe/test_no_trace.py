"""Measuring leaves no trace. Truth: the same training without a probe, to the byte."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mstudy.probe.curvature_probe import CurvatureProbe
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook

from tests.probe.dense import SEQUENCES, TOKENS, X, Y, cross_entropy, perceptron

STEPS = 6


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.2, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTM(6, 5, 2, dropout=0.3, batch_first=True), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.cell(x)[0][:, -1])


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = nn.Embedding(10, 6, sparse=True, max_norm=1.0), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.table(x).mean(1))


class Remembering(nn.Module):
    """Attributes, a plain tensor, a buffer and a list that each forward pass in training writes to."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls, self.history = nn.Linear(6, 3), 0, []
        self.mean = torch.zeros(3)
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        y = self.layer(x) + 0.1 * self.mean + 0.1 * self.seen
        self.calls += 1
        self.history.append(self.calls)
        self.last = y.detach()
        self.mean.mul_(0.9).add_(0.1 * y.detach().mean(0).float())
        self.seen = 0.9 * self.seen + y.detach().mean(0)
        return y


def convolutions():
    return nn.Sequential(nn.Unflatten(1, (1, 4)), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))


def normalised():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.ReLU(), nn.Linear(8, 3))


def spectral():
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3))


def weight_normed():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.Tanh(), nn.Linear(8, 3))


def mixed_up(module, batch):
    """Mixup: NumPy, Python and torch draw."""
    share, order = np.random.beta(1.0, 1.0), torch.randperm(len(batch[0]))
    x = share * batch[0] + (1 - share) * batch[0][order] + 0.01 * random.random()
    out = module(x.to(batch[0].dtype))
    return share * functional.cross_entropy(out, batch[1]) + (1 - share) * functional.cross_entropy(
        out, batch[1][order]
    )


MODELS = {
    "perceptron": (perceptron, X, cross_entropy),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 4, 6)), nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
        ),
        SEQUENCES.flatten(1),
        cross_entropy,
    ),
    "batch norm, dropout": (normalised, X, cross_entropy),
    "transformer": (Encoder, SEQUENCES, cross_entropy),
    "recurrent": (Recurrent, SEQUENCES, cross_entropy),
    "sparse": (Sparse, TOKENS, cross_entropy),
    "remembering": (Remembering, X, cross_entropy),
    "spectral": (spectral, X, cross_entropy),
    "weight norm": (weight_normed, X, cross_entropy),
    "mixup": (perceptron, X, mixed_up),
    "bfloat16": (lambda: perceptron().bfloat16(), X.bfloat16(), cross_entropy),
}


def everything(module):
    """Parameters, buffers, gradients, and all that its parts hold beside them."""
    found = [(name, t.clone()) for name, t in module.state_dict().items()]
    found += [(name, None if p.grad is None else p.grad.to_dense().clone()) for name, p in module.named_parameters()]
    for part in module.modules():
        found += [(name, v.clone()) for name, v in vars(part).items() if isinstance(v, torch.Tensor)]
        found += [(name, v) for name, v in vars(part).items() if isinstance(v, int | str)]
        found += [(name, len(v)) for name, v in vars(part).items() if isinstance(v, list | dict)]
    return found


def trained(build, x, loss, with_probe):
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(3)
    module = build()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    if with_probe:
        options = {"sharpness_every": 2, "batch_sharpness_every": 2, "mini_batches": [(x, Y)], "check_every": 2}
        probe = CurvatureProbe(module, loss, (x, Y), optimizer, every=2, **options)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(module, (x, Y))
        value.backward()
        optimizer.step()
        losses.append(value.item())
    if with_probe:
        assert probe._failures.about == {}
    return losses, everything(module), torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()


@pytest.mark.parametrize("name", MODELS)
def test_the_training_is_the_same_to_the_byte(name):
    plain, probed = (trained(*MODELS[name], with_probe) for with_probe in (False, True))

    assert plain[0] == probed[0]
    assert plain[2:] == probed[2:]
    for (name_1, a), (name_2, b) in zip(plain[1], probed[1], strict=True):
        assert name_1 == name_2
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b, name_1


def one_step(module, loss=cross_entropy, data=(X, Y), **options):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, loss, data, optimizer, sharpness_every=1, **options)
    loss(module, data).backward()
    return optimizer, probe


def test_hooks_of_the_user_note_training_alone():
    module, noted = perceptron(), {"forward": 0, "backward": 0, "weight": [], "module": []}
    counts = SimpleNamespace(n=0)

    def forward(part, args, out):
        noted["forward"] += 1
        counts.n += 1

    def activation(part, args, out):
        if out.requires_grad:
            out.register_hook(lambda g: noted["module"].append(g.norm().item()))

    module[1].register_forward_hook(forward)
    module[1].register_forward_hook(activation)
    module[2].register_full_backward_hook(lambda part, i, o: noted.update(backward=noted["backward"] + 1))
    module[0].weight.register_hook(lambda g: noted["weight"].append(g.norm().item()))

    optimizer, probe = one_step(module)
    before = {key: list(value) if isinstance(value, list) else value for key, value in noted.items()}
    optimizer.step()

    assert noted == before and noted["forward"] == counts.n == noted["backward"] == 1
    assert len(noted["weight"]) == len(noted["module"]) == 1
    assert probe.read()["directional_curvature"] is not None
    assert len(module[2]._backward_hooks) == 1


def test_a_hook_on_all_modules_notes_training_alone():
    noted = []
    handle = register_module_forward_hook(lambda part, args, out: noted.append(type(part).__name__))
    try:
        optimizer, _ = one_step(perceptron())
        before = list(noted)
        optimizer.step()
    finally:
        handle.remove()

    assert noted == before == ["Linear", "Tanh", "Linear", "Sequential"]


def test_a_hook_that_changes_a_gradient_changes_no_curvature():
    plain, changed = perceptron(), perceptron()
    changed[0].weight.register_hook(lambda g: g)
    changed[2].register_full_backward_hook(lambda part, i, o: (3 * i[0],))
    rows = []
    for module in (plain, changed):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        probe = CurvatureProbe(module, cross_entropy, (X, Y), optimizer)
        for p in module.parameters():
            p.grad = torch.ones_like(p)
        optimizer.step()
        rows.append(probe.read())

    assert rows[1]["directional_curvature"] == pytest.approx(rows[0]["directional_curvature"], rel=1e-6)


calls = 0


def test_what_a_loss_notes_beside_it_is_put_back():
    global calls
    calls, seen, inside = 0, [], {"n": 0}
    n_local = 0

    def loss(module, batch, noted=inside):
        global calls
        nonlocal n_local
        calls += 1
        n_local += 1
        noted["n"] += 1
        seen.append(cross_entropy(module, batch).item())
        return cross_entropy(module, batch)

    optimizer, probe = one_step(perceptron(), loss)
    optimizer.step()

    assert probe.read()["directional_curvature"] is not None
    assert (calls, n_local, inside, len(seen)) == (1, 1, {"n": 1}, 1)


class Trainer:
    """A loss that is a method, with a generator of its own."""

    def __init__(self):
        self.n, self.log, self.chance = 0, [], np.random.default_rng(0)
        self.torch_chance, self.python_chance = torch.Generator().manual_seed(0), random.Random(0)

    def loss(self, module, batch):
        self.n += 1
        self.log.append(self.n)
        noise = 0.1 * torch.randn(batch[0].shape, generator=self.torch_chance).to(batch[0].dtype)
        shift = 0.1 * self.chance.random() + 0.1 * self.python_chance.random()
        return cross_entropy(module, (batch[0] + noise + shift, batch[1]))


def test_generators_of_the_users_own_are_put_back_and_draw_alike_while_measuring():
    trainer = Trainer()
    optimizer, probe = one_step(perceptron(), trainer.loss)
    states = trainer.torch_chance.get_state(), trainer.chance.bit_generator.state, trainer.python_chance.getstate()
    optimizer.step()

    assert torch.equal(trainer.torch_chance.get_state(), states[0])
    assert (trainer.chance.bit_generator.state, trainer.python_chance.getstate()) == states[1:]
    assert (trainer.n, trainer.log) == (1, [1])
    assert probe.about == {"curvature_check": "passed"}


@pytest.mark.parametrize("build", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_a_gradient_scaler_skips_is_none(build, fused):
    module = perceptron()
    optimizer = build(module.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    probe = CurvatureProbe(module, cross_entropy, (X, Y), optimizer)
    steps = []
    for k in range(4):
        optimizer.zero_grad()
        scaler.scale(cross_entropy(module, (X, Y))).backward()
        if k == 1:
            module[0].weight.grad[0, 0] = torch.inf
        before = module[0].weight.detach().clone()
        scaler.step(optimizer)
        scaler.update()
        row = probe.read()
        assert torch.equal(before, module[0].weight) == (k == 1) == (row is None)
        steps.append(None if row is None else row["step"])

    assert steps == [0, None, 1, 2]
    assert probe.steps_done == 3


def test_autocast_and_its_switch_are_left_as_they_were():
    optimizer, probe = one_step(perceptron())
    switch = torch.set_autocast_enabled
    with torch.autocast("cpu", dtype=torch.bfloat16):
        optimizer.step()
        assert torch.is_autocast_enabled("cpu")
        assert perceptron()(X).dtype == torch.bfloat16
    assert torch.set_autocast_enabled is switch and not torch.is_autocast_enabled("cpu")
    assert probe.read()["directional_curvature"] is not None


def test_the_batch_is_handed_over_as_a_copy():
    data = {"x": X, "y": Y}

    def loss(module, batch):
        y = batch.pop("y")
        return functional.cross_entropy(module(batch["x"]), y)

    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, loss, data, optimizer, sharpness_every=1)
    loss(module, dict(data)).backward()
    optimizer.step()

    assert probe.read()["sharpness"] is not None and list(data) == ["x", "y"]


def test_a_failed_measurement_leaves_no_trace_either():
    module, drawn = perceptron(), []

    def loss(m, batch):
        np.random.rand()
        out = cross_entropy(m, batch)
        if not isinstance(m[0].weight, nn.Parameter):
            raise OSError("no more files")
        return out

    optimizer, probe = one_step(module, loss)
    np.random.seed(0)
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match="OSError: no more files"):
        optimizer.step()
    drawn = np.random.rand(), torch.rand(1).item()
    np.random.seed(0)
    torch.manual_seed(0)

    assert drawn == (np.random.rand(), torch.rand(1).item())
    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
    assert probe.read()["directional_curvature"] is None


def test_a_number_that_numpy_has_drawn_ahead_is_kept():
    optimizer, _ = one_step(perceptron(), lambda m, batch: cross_entropy(m, batch) + 0 * np.random.randn())
    np.random.seed(0)
    expected = np.random.randn(), np.random.randn(), np.random.rand()

    np.random.seed(0)
    first = np.random.randn()  # the second of a pair waits
    optimizer.step()

    assert (first, np.random.randn(), np.random.rand()) == expected
