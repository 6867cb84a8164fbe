"""Truth: float64, and the same functions by autograd."""

import numpy as np
import pytest
import torch
from mstudy.curvature.activation_derivatives import ACTIVATIONS, tanh_


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_slope_and_bend_against_autograd(name):
    z = torch.linspace(-6, 6, 401, dtype=torch.float64) + 1e-3  # off the kink of relu
    plain = torch.tanh if name == "tanh" else getattr(torch.nn.functional, name)
    z.requires_grad_()
    value = plain(z)
    slope = torch.autograd.grad(value.sum(), z, create_graph=True)[0]
    bend = torch.autograd.grad(slope.sum(), z)[0] if slope.requires_grad else torch.zeros_like(z)
    h, found_slope, found_bend = z.detach().clone(), torch.empty_like(z), torch.empty_like(z)

    ACTIVATIONS[name](h, found_slope, found_bend)

    torch.testing.assert_close(h, value.detach())
    torch.testing.assert_close(found_slope, slope.detach())
    torch.testing.assert_close(found_bend, bend.detach(), rtol=1e-6, atol=1e-12)


def test_numpy_tanh_is_float32_exact_to_rounding():
    z = torch.linspace(-20, 20, 100_001)
    exact = np.tanh(z.double().numpy())

    found = tanh_(z.clone()).double().numpy()

    assert np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1e-30)) < 5e-7
