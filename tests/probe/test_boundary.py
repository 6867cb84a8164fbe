"""No raw error out of optimizer.step, and right numbers of models that are not ordinary.

Truth: dense Hessians in float64 of the loss written out again.
"""

import dataclasses
import gc
import json
import math
from collections import OrderedDict, UserDict, defaultdict, namedtuple
from types import MappingProxyType, SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
from mstudy.core.errors import DataError, TrainingError
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.probe.user_batches import is_batch, joined, mapped, n_samples
from mstudy.runlog.recording.logger import RunLogger
from torch import nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tests.probe.dense import (
    CHANCE,
    SEQUENCES,
    TOKENS,
    X,
    Y,
    check,
    cross_entropy,
    loss_again,
    measured,
    nothing_known,
    output,
    perceptron,
    truth,
)

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 24, "seed": 0}
IMAGES = torch.randn(24, 3, 8, 8, generator=CHANCE)


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.scale = perceptron(), nn.Parameter(torch.tensor(1.3))

    def forward(self, x):
        return self.net(x) * self.scale


def of_scaled(p):
    return functional.cross_entropy(output(p, names=("net.0", "net.2")) * p["scale"], Y)


class Complex(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.w, self.h = nn.Parameter(torch.randn(6, 8, dtype=torch.complex64)), nn.Linear(8, 3)

    def forward(self, x):
        return self.h(torch.tanh((x.to(self.w.dtype) @ self.w).abs()))


def of_complex(p):
    hidden = torch.tanh((X.to(torch.complex128) @ p["w"]).abs())
    return functional.cross_entropy(functional.linear(hidden, p["h.weight"], p["h.bias"]), Y)


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.e, self.h = nn.Embedding(10, 6, sparse=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.h(torch.tanh(self.e(x).mean(1)))


def of_table(p):
    hidden = torch.tanh(p["e.weight"][TOKENS].mean(1))
    return functional.cross_entropy(functional.linear(hidden, p["h.weight"], p["h.bias"]), Y)


class Patches(nn.Module):
    """A convolution, a normalisation of a transposed tensor, and a view of the outcome."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.c, self.n, self.h = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(32, 3)

    def forward(self, x):
        return self.h(self.n(self.c(x).flatten(2).transpose(1, 2)).view(len(x), -1))


def of_patches(p):
    x = functional.conv2d(IMAGES.double(), p["c.weight"], p["c.bias"], 4).flatten(2).transpose(1, 2)
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
    x = (x * p["n.weight"] + p["n.bias"]).reshape(24, -1)
    return functional.cross_entropy(functional.linear(x, p["h.weight"], p["h.bias"]), Y)


def transposed():
    module = perceptron()
    module[0].weight = nn.Parameter(torch.randn(6, 8).t())
    return module


def compiled(part):
    module = perceptron()
    if part == "method":
        module.compile(backend="aot_eager")
    elif part == "layer":
        module[0] = torch.compile(module[0], backend="aot_eager")
    return torch.compile(module, backend="aot_eager") if part == "module" else module


UNUSUAL = {
    "0-dim": (Scaled, (X, Y), of_scaled),
    "complex": (Complex, (X, Y), of_complex),
    "sparse": (Table, (TOKENS, Y), of_table),
    "view": (Patches, (IMAGES, Y), of_patches),
    "channels last": (
        lambda: Patches().to(memory_format=torch.channels_last),
        (IMAGES.to(memory_format=torch.channels_last), Y),
        of_patches,
    ),
    "transposed": (transposed, (X, Y), loss_again),
    "script": (lambda: torch.jit.script(perceptron()), (X, Y), loss_again),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning", "ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_models_are_measured_right(name):
    build, data, again = UNUSUAL[name]
    probe = check(build(), cross_entropy, data, again)

    assert probe.about == {"curvature_check": "passed"}


@pytest.mark.parametrize("part", ["method", "layer"])
def test_compiled_parts_are_measured_uncompiled(part):
    names = ("0._orig_mod", "2") if part == "layer" else ("0", "2")
    check(compiled(part), cross_entropy, (X, Y), lambda p: loss_again(p, names=names))


class TwoHeads(nn.Module):
    """In training it has a second head; dropout in four ways."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.drop, self.b, self.aux = nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x):
        x = functional.dropout(self.drop(torch.tanh(self.a(x))), 0.3, self.training)
        x = torch.dropout(functional.alpha_dropout(x, 0.3, training=self.training), 0.3, self.training)
        return (self.b(x), self.aux(x)) if self.training else self.b(x)


def both_heads(module, batch):
    out, aux = module(batch[0])
    return functional.cross_entropy(out, batch[1]) + 0.3 * functional.cross_entropy(aux, batch[1])


def test_a_head_of_training_mode_is_measured_and_dropout_is_not():
    def again(p):
        return loss_again(p, names=("a", "b")) + 0.3 * loss_again(p, names=("a", "aux"))

    module = TwoHeads()
    check(module, both_heads, (X, Y), again)
    assert all(part.training for part in module.modules())


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.h = nn.MultiheadAttention(6, 1, dropout=0.5, bias=False, batch_first=True), nn.Linear(6, 3)

    def forward(self, x):
        return self.h(self.q(x, x, x, need_weights=False)[0].mean(1))


def of_attentive(p):
    q, k, v = (SEQUENCES.double() @ p["q.in_proj_weight"].T).split(6, -1)
    x = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(6), -1) @ v @ p["q.out_proj.weight"].T
    return functional.cross_entropy(functional.linear(x.mean(1), p["h.weight"], p["h.bias"]), Y)


def test_dropout_of_attention_is_off():
    check(Attentive(), cross_entropy, (SEQUENCES, Y), of_attentive)


class Elman(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.r, self.h = nn.RNN(6, 4, 2, dropout=0.5, bias=False, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.h(self.r(x)[0][:, -1])


def of_elman(p):
    inputs = [SEQUENCES[:, t].double() for t in range(4)]
    for layer in (0, 1):
        state, outputs = torch.zeros(24, 4, dtype=torch.float64), []
        for x in inputs:
            state = torch.tanh(x @ p[f"r.weight_ih_l{layer}"].T + state @ p[f"r.weight_hh_l{layer}"].T)
            outputs.append(state)
        inputs = outputs
    return functional.cross_entropy(functional.linear(inputs[-1], p["h.weight"], p["h.bias"]), Y)


def test_recurrent_layers_hold_their_weights_in_a_list_and_draw_dropout():
    check(Elman(), cross_entropy, (SEQUENCES, Y), of_elman)


@dataclasses.dataclass(frozen=True)
class Record:
    x: torch.Tensor
    y: torch.Tensor
    name: str = "a"


@dataclasses.dataclass(slots=True)
class Slots:
    x: torch.Tensor
    y: torch.Tensor


class Plain:
    def __init__(self, x, y):
        self.x, self.y, self.size = x, y, len(x)


class ByAttribute(UserDict):
    """As Hugging Face's BatchEncoding."""

    def __getattr__(self, name):
        if name == "data":
            raise AttributeError(name)
        return self.data[name]


class Ordered(OrderedDict):
    @property
    def x(self):
        return self["x"]

    @property
    def y(self):
        return self["y"]


Pair = namedtuple("Pair", "x y")
BATCHES = {
    "frozen": Record(X, Y),
    "slots": Slots(X, Y),
    "plain": Plain(X, Y),
    "namespace": SimpleNamespace(x=X, y=Y),
    "named tuple": Pair(X, Y),
    "by attribute": ByAttribute({"x": X, "y": Y}),
    "ordered": Ordered(x=X, y=Y),
}


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("name", BATCHES)
def test_batches_keep_their_type(name, chunk):
    batch, kinds = BATCHES[name], set()

    def loss(module, batch):
        kinds.add(type(batch))
        return functional.cross_entropy(module(batch.x), batch.y)

    for data in (batch, [batch]):
        check(perceptron(), loss, data, loss_again, batch=batch, chunk=chunk)
    assert kinds == {type(batch)}


def test_other_mappings_keep_their_type_too():
    made = defaultdict(list, x=X)
    for batch in (made, MappingProxyType({"x": X})):
        other = mapped(batch, lambda t: t[:2])
        assert type(other) is type(batch) and len(other["x"]) == 2 and len(batch["x"]) == 24
    assert mapped(made, lambda t: t)["unknown"] == []


def test_what_is_a_batch():
    assert all(is_batch(batch) for batch in (*BATCHES.values(), X, (X, Y), {"x": X}))
    assert not any(is_batch(batch) for batch in ([(X, Y)], [{"x": X}], [Record(X, Y)], iter([X]), 3, [Plain(X, Y)]))
    assert n_samples({"x": X, "temperature": torch.tensor(2.0)}) == 24
    assert n_samples(torch.tensor(1.0)) == 1
    with pytest.raises(DataError, match="first dimension, found no tensor in a list"):
        n_samples([1, "a"])
    with pytest.raises(DataError, match="must hold the same tensors"):
        joined({"x": X}, {"x": X, "y": Y})


def fails_on(n_calls, error):
    """A loss that fails from its n-th call on."""
    count = []

    def loss(module, batch):
        if not isinstance(module[0].weight, nn.Parameter):
            count.append(1)
            if len(count) >= n_calls:
                raise error
        return cross_entropy(module, batch)

    return loss


ERRORS = [RuntimeError("out of memory"), KeyError("labels"), ZeroDivisionError(), MemoryError(), AssertionError("no")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("n_calls", [1, 2])
def test_the_training_goes_on_and_the_row_has_nulls(error, n_calls):
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    options = {"sharpness_every": 1, "batch_sharpness_every": 1, "mini_batches": [(X, Y)]}
    probe = CurvatureProbe(module, fails_on(n_calls, error), (X, Y), optimizer, **options)
    before = module[0].weight.detach().clone()
    cross_entropy(module, (X, Y)).backward()

    if n_calls == 1:
        with pytest.warns(UserWarning, match=f"found {type(error).__name__}.*; try loss.* The training goes on"):
            optimizer.step()
    else:
        optimizer.step()  # what fails in the check alone is no part of the row

    row = probe.read()
    assert not torch.equal(before, module[0].weight)
    assert (row["step"], probe.steps_done) == (0, 1)
    assert row["update_norm"] > 0
    assert n_calls == 2 or (nothing_known(row) and row["loss"] is None and row["batch_sharpness"] is None)
    assert isinstance(module[0].weight, nn.Parameter)


def test_the_reason_is_counted_and_told_at_the_end_and_in_the_metadata(tmp_path):
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, fails_on(1, RuntimeError("no luck")), (X, Y), optimizer)
    with pytest.warns(UserWarning) as told, RunLogger(tmp_path / "a.parquet", **ABOUT) as log:
        for _ in range(3):
            optimizer.zero_grad()
            loss = cross_entropy(module, (X, Y))
            loss.backward()
            optimizer.step()
            probe.log_to(log, loss=loss.item())

    sentences = [str(w.message) for w in told]
    assert len(sentences) == 2
    assert "found RuntimeError: no luck" in sentences[0]
    assert {w.filename for w in told} == {__file__}  # the user's line, not the library's
    assert sentences[1].startswith("3 of 3 measurements lack values; in 3 of them: ")
    about = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"mstudy"])
    assert about["failed_measurements"] == 3 and "no luck" in about["failed_measurements_reason"]
    assert pq.read_table(tmp_path / "a.parquet")["loss"].null_count == 0
    probe.remove()  # it was told


def test_it_is_told_once_if_the_probe_is_removed_or_forgotten():
    for end in ("remove", "forget"):
        module = perceptron()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        probe = CurvatureProbe(module, fails_on(1, RuntimeError("no luck")), (X, Y), optimizer)
        cross_entropy(module, (X, Y)).backward()
        with pytest.warns(UserWarning, match="no luck"):
            optimizer.step()
        with pytest.warns(UserWarning, match="1 of 1 measurements lack values"):
            if end == "remove":
                probe.remove()
            else:
                del probe, optimizer
                gc.collect()


def test_strict_raises():
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    CurvatureProbe(module, fails_on(1, KeyError("labels")), (X, Y), optimizer, strict=True)
    cross_entropy(module, (X, Y)).backward()

    with pytest.raises(TrainingError, match="found KeyError: .*labels") as raised:
        optimizer.step()

    assert isinstance(raised.value.__cause__, KeyError)
    assert isinstance(module[0].weight, nn.Parameter)


def test_an_interruption_gets_through():
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    CurvatureProbe(module, fails_on(1, KeyboardInterrupt()), (X, Y), optimizer)
    cross_entropy(module, (X, Y)).backward()

    with pytest.raises(KeyboardInterrupt):
        optimizer.step()

    assert isinstance(module[0].weight, nn.Parameter)


class Wrapped(torch.optim.Optimizer):
    """As Accelerate's: an Optimizer that was never initialised, around another."""

    def __init__(self, optimizer):
        self.optimizer = optimizer

    def step(self, closure=None):
        self.optimizer.step(closure)

    @property
    def param_groups(self):
        return self.optimizer.param_groups


def test_an_optimizer_that_wraps_another():
    module = perceptron()
    check(module, cross_entropy, (X, Y), loss_again, optimizer=Wrapped(torch.optim.SGD(module.parameters(), lr=0.1)))


def test_what_is_no_optimizer_is_refused_at_once():
    module = perceptron()
    with pytest.raises(TrainingError, match="optimizer must be one of torch.optim, found SimpleNamespace"):
        CurvatureProbe(module, cross_entropy, (X, Y), SimpleNamespace(param_groups=[]))


class HalfSteps(torch.optim.Optimizer):
    """Sharpness-aware minimisation in two half steps; nobody calls `step`."""

    def __init__(self, params, by_data):
        super().__init__(params, {"lr": 0.1})
        self.base, self.by_data = torch.optim.SGD(self.param_groups, lr=0.1), by_data

    @torch.no_grad()
    def first_step(self):
        for p in self.param_groups[0]["params"]:
            self.state[p]["old"] = p.clone()
            (p.data if self.by_data else p).add_(p.grad, alpha=0.05)

    @torch.no_grad()
    def second_step(self):
        for p in self.param_groups[0]["params"]:
            (p.data if self.by_data else p).copy_(self.state[p]["old"])
        self.base.step()


@pytest.mark.parametrize("by_data", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_an_optimizer_whose_step_is_never_called_is_told_after_three_training_steps(by_data, strict):
    module = perceptron()
    optimizer = HalfSteps(module.parameters(), by_data)
    probe = CurvatureProbe(module, cross_entropy, (X, Y), optimizer, strict=strict)

    def train():
        for half in (optimizer.first_step, optimizer.second_step):
            optimizer.zero_grad()
            cross_entropy(module, (X, Y)).backward()
            half()
        return probe.read()

    assert [train(), train()] == [None, None]
    expected = (
        pytest.raises(TrainingError, match="3 updates without a call; give the probe the optimizer")
        if strict
        else (
            pytest.warns(UserWarning, match="3 updates without a call; give the probe the optimizer whose step makes")
        )
    )
    with expected:
        train()
    assert train() is None  # it is said once
    check(module, cross_entropy, (X, Y), loss_again, optimizer=optimizer.base)


def test_accumulated_gradients_are_no_missing_steps():
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, (X, Y), optimizer)
    for _ in range(5):
        cross_entropy(module, (X, Y)).backward()
        assert probe.read() is None
    optimizer.step()

    assert probe.read()["step"] == 0 and probe.about == {"curvature_check": "passed"}


def with_gradient_penalty(module, batch):
    x = batch[0].clone().requires_grad_()
    loss = functional.cross_entropy(module(x), batch[1])
    (slope,) = torch.autograd.grad(loss * len(x), x, create_graph=True)
    return loss + slope.square().sum() / len(x)


def penalty_again(p):
    x = X.double().requires_grad_()
    loss = functional.cross_entropy(output(p, x), Y)
    (slope,) = torch.autograd.grad(loss * 24, x, create_graph=True)
    return loss + slope.square().sum() / 24


@pytest.mark.parametrize("chunk", [None, 7])
def test_a_loss_that_takes_derivatives_of_its_own(chunk):
    probe = check(perceptron(), with_gradient_penalty, (X, Y), penalty_again, chunk=chunk)

    assert probe.about == {"curvature_check": "passed"}


def test_a_loss_of_one_element_is_a_scalar():
    check(perceptron(), lambda m, b: cross_entropy(m, b)[None], (X, Y), loss_again)


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm])
def test_a_spectral_norm_is_that_of_the_step(norm):
    """Its vectors are those that the step of training has left: sigma = u^T W v, with u and v held."""
    module = perceptron()
    norm(module[0])
    is_old = norm is nn.utils.spectral_norm
    held = "weight_orig" if is_old else "parametrizations.weight.original"

    def again(p):
        part = module[0] if is_old else module[0].parametrizations.weight[0]
        u, v = (part.weight_u, part.weight_v) if is_old else (part._u, part._v)
        weight = p[f"0.{held}"] / (u.double() @ p[f"0.{held}"] @ v.double())
        hidden = torch.tanh(functional.linear(X.double(), weight, p["0.bias"]))
        return functional.cross_entropy(functional.linear(hidden, p["2.weight"], p["2.bias"]), Y)

    probe = check(module, cross_entropy, (X, Y), again)
    assert probe.about == {"curvature_check": "passed"}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_a_step_inside_any_mode_of_autograd(mode):
    module = perceptron()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, cross_entropy, (X, Y), optimizer, strict=True)
    before = [p.detach().clone() for p in module.parameters()]
    cross_entropy(module, (X, Y)).backward()
    with mode():
        optimizer.step()

    assert probe.read()["directional_curvature"] == pytest.approx(truth(module, before, loss_again)[0], rel=1e-5)


def test_weights_that_are_no_numbers_have_no_curvature():
    module = perceptron()
    with torch.no_grad():
        module[0].weight[0, 0] = math.nan

    row, *_ = measured(module, cross_entropy, (X, Y))

    assert row["directional_curvature"] is None and math.isnan(row["loss"])


def test_a_view_of_a_parameter_made_before_is_named():
    module = perceptron()
    view = module[0].weight.view(-1)

    with pytest.warns(UserWarning, match="found 0.weight taken from elsewhere"):
        row, *_ = measured(module, lambda m, b: cross_entropy(m, b) + view.square().sum(), (X, Y))

    assert nothing_known(row)


class AsksForFlash(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.q, self.h = nn.Linear(6, 18, bias=False), nn.Linear(6, 3)

    def forward(self, x):
        q, k, v = self.q(x)[:, None].chunk(3, -1)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            x = functional.scaled_dot_product_attention(q, k, v, dropout_p=0.5)
        return self.h(x[:, 0].mean(1))


def of_flash(p):
    q, k, v = (SEQUENCES.double() @ p["q.weight"].T).split(6, -1)
    x = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(6), -1) @ v
    return functional.cross_entropy(functional.linear(x.mean(1), p["h.weight"], p["h.bias"]), Y)


def test_attention_that_asks_for_a_fast_kernel_has_an_exact_curvature():
    module = AsksForFlash()
    loss = torch.zeros(())
    for p in module.parameters():
        loss = loss + p.square().sum()  # training itself need not run by the kernel

    def by_parts(m, batch):
        return cross_entropy(m, batch) if not isinstance(m.q.weight, nn.Parameter) else loss

    probe = check(module, by_parts, (SEQUENCES, Y), of_flash)
    assert probe.about == {"curvature_check": "passed"}
