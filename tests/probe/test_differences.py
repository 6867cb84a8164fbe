"""Truth: a loss that is linear or quadratic, of which gradient, curvature and rounding are known by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from mstudy.probe.differences import DifferenceEvaluation

W = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
LOSS = torch.zeros(1, dtype=torch.float64)


@dataclass(frozen=True)
class Known:
    """What an evaluation knows: `slope` is the gradient there."""

    slope: torch.Tensor
    loss: torch.Tensor

    def gradient(self) -> torch.Tensor:
        return self.slope


def test_of_a_linear_loss_only_rounding_is_left_of_the_error():
    found = DifferenceEvaluation(lambda w, order: Known(W, LOSS), W)

    assert float(found.curvature_along(torch.tensor([[1.0, 0.0]], dtype=torch.float64))) == 0
    # A hundred last digits of a gradient of length 5, over a step of the fourth root of a last digit, 2^-13.
    assert found.error == pytest.approx(100 * 5 * 2.0**-52 / 2.0**-13, rel=1e-12)


def test_of_a_quadratic_loss_the_curvature_is_exact_within_the_error():
    diagonal = torch.tensor([[2.0, 7.0]], dtype=torch.float64)
    found = DifferenceEvaluation(lambda w, order: Known(diagonal * w, LOSS), W)

    along = torch.tensor([[0.6, 0.8]], dtype=torch.float64)

    assert abs(float(found.curvature_along(along)) - (2 * 0.36 + 7 * 0.64)) <= found.error < 1e-8
