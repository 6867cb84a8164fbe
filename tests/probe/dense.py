"""Curvature, largest eigenvalue and loss by a dense Hessian in float64 of a loss written out again: no product code."""

import math

import pytest
import torch
from mstudy.probe.curvature_probe import CurvatureProbe
from torch import nn
from torch.nn import functional

CHANCE = torch.Generator().manual_seed(0)
X, Y = torch.randn(24, 6, generator=CHANCE), torch.randint(3, (24,), generator=CHANCE)
SEQUENCES = torch.randn(24, 4, 6, generator=CHANCE)
TOKENS = torch.randint(10, (24, 5), generator=CHANCE)


def cross_entropy(module, batch):
    return functional.cross_entropy(module(batch[0]), batch[1])


def perceptron(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def output(p, x=X, names=("0", "2")):
    """The perceptron again, of named parameters."""
    first, last = names
    hidden = torch.tanh(functional.linear(x.double(), p[f"{first}.weight"], p[f"{first}.bias"]))
    return functional.linear(hidden, p[f"{last}.weight"], p[f"{last}.bias"])


def loss_again(p, x=X, y=Y, names=("0", "2")):
    return functional.cross_entropy(output(p, x, names), y)


def real(tensor):
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def truth(module, before, again):
    """Return (curvature along the update, largest eigenvalue, loss), of `again`: {name: float64 tensor} -> loss."""
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    start = torch.cat([real(b).double().flatten() for b in before])
    end = torch.cat([real(p.detach()).double().flatten() for p in named.values()])

    def of_row(row):
        parts = row.split([real(b).numel() for b in before])
        shaped = [part.view(real(b).shape) for part, b in zip(parts, before, strict=True)]
        typed = [torch.view_as_complex(s) if b.is_complex() else s for s, b in zip(shaped, before, strict=True)]
        return again(dict(zip(named, typed, strict=True)))

    hessian = torch.autograd.functional.hessian(of_row, start)
    u = end - start
    return float(u @ hessian @ u / (u @ u)), float(torch.linalg.eigvalsh(hessian)[-1]), float(of_row(start).detach())


def measured(module, loss, data, *, batch=None, optimizer=None, closure=None, **options):
    """One step of training with a probe: (row, weights before it, probe)."""
    optimizer = optimizer or torch.optim.SGD(module.parameters(), lr=0.1)
    probe = CurvatureProbe(module, loss, data, optimizer, sharpness_every=1, **options)
    before = [p.detach().clone() for p in module.parameters() if p.requires_grad]
    loss(module, data if batch is None else batch).backward()
    optimizer.step()
    return probe.read(), before, probe


def check(module, loss, data, again, rel=2e-5, **options):
    """Measure one step and compare it with the truth; returns the probe."""
    row, before, probe = measured(module, loss, data, **options)
    kappa, top, value = truth(module, before, again)
    assert row["loss"] == pytest.approx(value, rel=rel)
    assert row["directional_curvature"] == pytest.approx(kappa, rel=rel, abs=rel * abs(top))
    assert row["sharpness"] == pytest.approx(top, rel=0.03)
    assert math.isfinite(row["update_norm"])
    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
    return probe


def nothing_known(row):
    """Whether the row has no second derivative."""
    return row["directional_curvature"] is None and row["sharpness"] is None and row["sharpness_residual"] is None
