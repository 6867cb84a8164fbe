"""Truth: divisors by hand; mean 0 and variance 1 over what is normalised."""

import pytest
import torch
from mstudy.models.normalisation import convolution, n_groups, normalisation


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, 1), (8, 8), (32, 32), (33, 11), (37, 1), (40, 20), (48, 24), (64, 32), (512, 32)]
)
def test_number_of_groups(channels, expected):
    assert n_groups(channels) == expected


@pytest.mark.parametrize(
    ("norm", "over"),
    [
        ("group", (2, 3, 4)),  # 64 channels are 32 groups of two: (n_samples, 32, 2, height, width)
        ("batch", (0, 3, 4)),
    ],
)
def test_what_is_normalised(norm, over):
    torch.manual_seed(0)
    x = 3 + 2 * torch.randn(5, 64, 6, 7, dtype=torch.float64)

    parts = normalisation(norm, 64).double()(x).view(5, 32, 2, 6, 7)

    torch.testing.assert_close(parts.mean(over), torch.zeros_like(parts.mean(over)))
    variance = parts.var(over, correction=0)
    torch.testing.assert_close(variance, torch.ones_like(variance), rtol=1e-4, atol=0)


def test_without_normalisation_nothing_changes_but_a_bias_is_added():
    x = torch.randn(2, 4, 3, 3)

    assert normalisation("none", 4)(x) is x
    assert [convolution(norm, 4, 4)[0].bias is None for norm in ("none", "group", "batch")] == [False, True, True]
