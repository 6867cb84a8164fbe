"""Truth in closed form: the Hessian of linear least squares is the second moment of inputs and a constant."""

from itertools import pairwise

import numpy as np
import pytest
from mstudy.data.quadratic import SPECTRUM, load_quadratic


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_the_hessian_is_the_spectrum_and_one_for_the_bias(kind, tolerance):
    x = load_quadratic().inputs.astype(kind).astype(float)
    extended = np.hstack([x, np.ones((len(x), 1))])

    hessian = extended.T @ extended / len(x)

    assert np.abs(hessian - np.diag([*SPECTRUM, 1.0])).max() < tolerance * max(SPECTRUM)


def test_the_spectrum_falls_by_a_factor_of_a_thousand():
    assert SPECTRUM[0] == 10
    assert SPECTRUM[-1] == pytest.approx(0.01)
    assert all(a > b for a, b in pairwise(SPECTRUM))


def test_targets_weigh_every_direction_alike_and_can_be_met():
    data = load_quadratic()
    weights = np.asarray(SPECTRUM) ** -0.5

    assert data.targets.shape == (512, 1)
    assert np.allclose(data.inputs @ weights + 1, data.targets[:, 0])
    assert np.mean(data.targets**2) / 2 == pytest.approx(17 / 2)  # from zero weights: 1/2 a feature and the bias
    assert (data.n_outputs, data.classification, data.is_text) == (1, False, False)
