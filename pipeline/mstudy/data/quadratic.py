"""Linear least squares whose Hessian is known: the ground on which theory says everything in closed form."""

from __future__ import annotations

import numpy as np

from mstudy.data.dataset import Dataset

N_SAMPLES = 512
SPECTRUM = tuple(10.0 ** (1 - k / 5) for k in range(16))
"""Eigenvalues of the Hessian along the 16 features, 10 down to 0.01; a bias adds the eigenvalue 1."""


def load_quadratic() -> Dataset:
    """Compute inputs X (512, 16) float64 with X^T X / 512 = diag(SPECTRUM), every column orthogonal to ones.

    A linear model f = X w + b under the loss mean of 1/2 (f - y)^2 has the Hessian diag(SPECTRUM, 1) in (w, b).
    targets: y (512, 1) = X w* + 1 with w*_k = SPECTRUM_k^(-1/2), so that from zero weights every direction, the
    bias's too, holds the same share of the loss, 1/2, and the least loss is 0. This is so for the whole set alone.
    """
    # Cosines of the discrete cosine transform: orthogonal to each other and to ones, mean square 1.
    half_steps = (np.arange(N_SAMPLES) + 0.5) * np.pi / N_SAMPLES
    waves = np.sqrt(2) * np.cos(np.outer(half_steps, np.arange(1, len(SPECTRUM) + 1)))
    targets = waves.sum(axis=1, keepdims=True) + 1
    return Dataset("quadratic", waves * np.sqrt(SPECTRUM), targets, 1)
