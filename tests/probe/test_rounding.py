"""Truth: the same sums in float64, number by number."""

import pytest
import torch
from mstudy.probe import row_measure
from mstudy.probe.curvature_probe import CurvatureProbe
from mstudy.probe.rounding import clearly_survives, length, survives
from torch import nn
from torch.nn import functional


def drawn(n, scale=1.0, dtype=torch.float32, seed=0):
    return (torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale).to(dtype)


@pytest.mark.parametrize("n", [1, 511, 512, 100_000])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-18, 1e-3, 1.0, 1e12, 1e25])
def test_a_length_has_eight_digits(n, scale):
    row = drawn(n, scale)

    assert length(row) == pytest.approx(float(row.double().norm()), rel=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e3])
def test_what_clearly_survives_survives(dtype, size):
    outcomes = set()
    for exponent in range(-20, 3):
        before = drawn(1000, size, dtype)
        after = (before.double() + drawn(1000, size * 10.0**exponent, torch.float64, seed=1)).to(dtype)
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        row = before.to(wide)
        clearly = clearly_survives(row, length(after.to(wide) - row), {dtype})
        by_each = survives([before], [after], [torch.ones_like(before)])
        assert by_each or not clearly
        outcomes.add((clearly, by_each))
    assert {(True, True), (False, False)} <= outcomes


def test_no_weight_is_looked_at_where_two_norms_tell(monkeypatch):
    def looks(*_):
        raise AssertionError("looked at each weight")

    monkeypatch.setattr(row_measure, "survives", looks)
    module, batch = nn.Linear(50, 3), (torch.randn(8, 50), torch.arange(8) % 3)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    probe = CurvatureProbe(module, lambda m, b: functional.cross_entropy(m(b[0]), b[1]), batch, optimizer, strict=True)
    functional.cross_entropy(module(batch[0]), batch[1]).backward()
    optimizer.step()

    assert probe.read()["directional_curvature"] > 0
