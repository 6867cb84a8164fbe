"""Truth: traps that a curvature log falls into, each on a case whose answer is known by hand or in closed form."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from mstudy.core.params import Cadence
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.data.quadratic import SPECTRUM, load_quadratic
from mstudy.models.build import build
from mstudy.runlog.format.writer import write_run
from mstudy.train.ensemble.loop import train_ensemble

from tests.train.configs import RUN as SMALL

EIGENVALUES = np.array([*SPECTRUM, 1.0])  # of the quadratic's Hessian in (weights, bias)
TOP = max(SPECTRUM)
RUN = replace(
    SMALL,
    dataset="quadratic",
    n_train=512,
    batch_size=512,
    probe_samples=512,
    model="linear",
    steps=400,
    cadence=Cadence(every={"sharpness": 0}),
)

NOTHING = torch.zeros(1, 1, dtype=torch.float64)


@pytest.fixture(scope="module")
def quadratic():
    return load_quadratic()


def test_an_update_that_float32_swallows_has_no_curvature_but_a_row(quadratic, tmp_path):
    # Weights of 0.01 to 0.25 have half a last digit of 4e-10 to 7e-9; gradients are of order 1.
    cadence = Cadence(dense_steps=3, every={"sharpness": 1, "edge_ratio": 1})
    runs = [replace(RUN, learning_rate=rate, steps=3, cadence=cadence) for rate in (1e-13, 1e-3)]

    swallowed, normal = train_ensemble(runs, quadratic)

    assert swallowed.columns["step"].tolist() == [0, 1, 2, 3]
    assert np.unique(swallowed.columns["loss"]).size == 1  # nothing moved
    assert np.isnan(swallowed.columns["directional_curvature"]).all()
    assert np.isnan(swallowed.columns["edge_ratio"]).all()
    assert np.isfinite(swallowed.columns["sharpness"]).all()
    assert (swallowed.columns["update_norm"] > 0).all()
    assert np.isfinite(normal.columns["directional_curvature"]).all()
    path = tmp_path / "run.parquet"
    write_run(path, swallowed.columns, swallowed.metadata)
    written = pq.read_table(path)
    assert written["directional_curvature"].null_count == 4
    assert written["loss"].null_count == 0


def test_a_swallowed_update_has_no_edge_ratio_even_where_its_slope_is_large():
    # f = b: at a misfit of 1e-4 and eta = 1e-4 the update, 1e-8, is below half a last digit of b in (0.5, 1), 3e-8.
    # The two losses are one number, which would read as a ratio of exactly 1; the slope is twice eta times the loss.
    start = Mlp((1, 1), "tanh", OBJECTIVES["squared_error"]).initial_weights(2)[1].item()
    data = Dataset("one", np.array([[0.0]]), np.array([[start - 1e-4]]), 1)
    run = replace(RUN, seed=2, n_train=1, batch_size=1, probe_samples=1, learning_rate=1e-4, steps=1)
    run = replace(run, cadence=Cadence(dense_steps=1, every={"sharpness": 0, "edge_ratio": 1}))

    columns = train_ensemble([run], data)[0].columns

    assert 0.5 < abs(start) < 1
    assert np.isnan(columns["directional_curvature"]).all()
    assert np.isnan(columns["edge_ratio"]).all()


def test_a_stride_of_two_sees_one_phase_of_an_oscillation_and_the_default_cadence_both(quadratic):
    # With weight decay c the top weight tends to l w* / (l + c), beside the loss's own minimum w*. At
    # eta (l + c) = 2 it jumps from side to side of that point for ever, once nearer to w* and once farther.
    c = 0.5
    run = replace(RUN, weight_decay=c, learning_rate=2 / (TOP + c))
    every = replace(run, cadence=Cadence(dense_steps=400, every={"sharpness": 0}))

    sparse, dense = (train_ensemble([r], quadratic)[0].columns for r in (run, every))

    steps, late = sparse["step"], dense["loss"][300:]
    even, odd = late[::2], late[1::2]
    # The other directions still creep, slower by far than the two phases are apart.
    assert abs(even.mean() - odd.mean()) > 20 * max(np.ptp(even), np.ptp(odd))
    rest = np.append(EIGENVALUES[:16] ** -0.5, 1)[1:]
    slow = EIGENVALUES[1:]
    left = (slow * (c / (slow + c) * rest) ** 2).sum() / 2  # what they tend to, by hand
    start = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"]).initial_weights(0)[0].item() - TOP**0.5 / (TOP + c)
    shift = -c / (TOP + c) * TOP**-0.5
    phases = [left + TOP * (shift + sign * start) ** 2 / 2 for sign in (1, -1)]
    np.testing.assert_allclose([even[-1], odd[-1]], phases, rtol=2e-3)
    seen = sparse["loss"][(steps >= 300) & (steps < 400)]
    middle = (even.mean() + odd.mean()) / 2
    above = seen > middle
    assert len(seen) >= 6
    assert (above[1:] != above[:-1]).all()  # neighbouring rows alternate
    np.testing.assert_array_equal(sparse["loss"], dense["loss"][steps])


def spectrum_product(spectrum):
    values = torch.tensor(spectrum, dtype=torch.float64)
    return lambda v: values * v


def leaning(spectrum):
    """A gradient: as steep along each direction as its eigenvalue makes it, at a random distance."""
    values = torch.as_tensor(spectrum)
    distance = torch.randn(len(values), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (values * distance.to(values.dtype))[None]


def basis_vector(n, k, mixed_in=0.0, other=0):
    v = torch.zeros(1, n, dtype=torch.float64)
    v[0, k] = 1
    v[0, other] += mixed_in
    return v


@pytest.mark.parametrize("mixed_in", [0.0, 1e-8])
def test_a_start_orthogonal_to_the_top_eigenvector_still_finds_it(mixed_in):
    spectrum = [10.0, 8.0, *np.linspace(0, 5, 200)]

    found = top_eigenpair(spectrum_product(spectrum), basis_vector(202, 1, mixed_in), leaning(spectrum))

    assert found.value.item() == pytest.approx(10.0, rel=0.01)
    assert found.vector.abs().argmax().item() == 0


def test_a_warm_start_after_another_eigenvector_has_taken_the_lead():
    before, after = [10.0, 8.0, *np.linspace(0, 5, 200)], [9.0, 12.0, *np.linspace(0, 5, 200)]
    first = top_eigenpair(
        spectrum_product(before), torch.ones(1, 202, dtype=torch.float64), NOTHING, relative_residual=1e-12
    )

    second = top_eigenpair(spectrum_product(after), first.vector, leaning(after))

    assert second.value.item() == pytest.approx(12.0, rel=0.01)
    assert second.vector.abs().argmax().item() == 1


@pytest.mark.parametrize("gap", [0.3, 0.1, 0.03, 0.01, 0.003])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sharpness_at_the_default_settings_when_the_gap_is_small(gap, dtype):
    # A network's spectrum: a few eigenvalues apart, a bulk about 0. Whatever is missed is less than a percent.
    generator = torch.Generator().manual_seed(1)
    bulk = 0.05 * torch.randn(500, generator=generator, dtype=torch.float64)
    spectrum = torch.cat([torch.tensor([1.0, 1 - gap, 1 - 2 * gap, 0.3, 0.2], dtype=torch.float64), bulk]).to(dtype)
    start = torch.randn(4, 505, generator=generator, dtype=torch.float64).to(dtype)
    start[0], start[1] = torch.eye(505, dtype=dtype)[1], torch.eye(505, dtype=dtype)[0]

    found = top_eigenpair(lambda v: spectrum * v, start, leaning(spectrum))

    exact = (spectrum * found.vector - found.value[:, None].to(dtype) * found.vector).norm(dim=1)
    np.testing.assert_allclose(found.residual, exact, rtol=0.05, atol=1e-5)
    error = (1 - found.value).abs()
    assert ((error <= 0.01) | (found.residual > 0.01)).all()
    assert (found.residual <= 0.02 * found.value).all()


def test_an_unfinished_search_says_so_by_its_residual():
    # Fewer products than the spectrum needs: the value is low, and the residual is beyond the tolerance. It bounds the
    # distance to some eigenvalue, not to the largest.
    spectrum = torch.linspace(0.5, 1, 300, dtype=torch.float64)

    found = top_eigenpair(lambda v: spectrum * v, torch.ones(1, 300, dtype=torch.float64), NOTHING, max_products=2)

    assert found.value.item() < 0.99
    assert found.residual.item() > 0.02 * found.value.item()
    assert (spectrum - found.value).abs().min() <= found.residual.item()


@pytest.mark.parametrize("model", ["resnet18-batch-1", "vgg11-batch-1"])
def test_batch_normalisation_has_no_evaluation_mode_of_its_own(model):
    torch.manual_seed(0)
    module = build(model, (1, 32, 32), 3)
    x = torch.randn(4, 1, 32, 32)

    training, again = module.train()(x), module.train()(x)
    evaluating = module.eval()(x)

    assert torch.equal(training, again)  # nothing is remembered from the first pass
    assert torch.equal(training, evaluating)
    assert not torch.equal(module(x)[:2], module(x[:2]))
    assert list(module.buffers()) == []


BOUNDARIES = {  # eta at which the top direction neither grows nor shrinks: closed form
    "sgd": (0.0, 2 / TOP),
    "heavy_ball": (0.9, 2 * 1.9 / TOP),
    "nesterov": (0.9, 2 * 1.9 / ((1 + 2 * 0.9) * TOP)),
}


def test_each_rule_diverges_just_above_its_boundary_and_not_just_below(quadratic):
    runs = [
        replace(RUN, optimizer=optimizer, momentum=mu, learning_rate=eta * (1 + off))
        for optimizer, (mu, eta) in BOUNDARIES.items()
        for off in (-0.03, 0.03)
    ]

    logs = train_ensemble(runs, quadratic)

    for log in logs:
        below = log.config.learning_rate < BOUNDARIES[log.config.optimizer][1]
        assert log.status == ("completed" if below else "diverged"), log.config
        assert not below or log.columns["loss"][-1] < 0.6 * log.columns["loss"][0]
    w = Mlp((16, 1), "tanh", OBJECTIVES["squared_error"]).initial_weights(0)[:17].double().numpy()
    errors = w - np.append(EIGENVALUES[:16] ** -0.5, 1)
    shrunk = errors * (1 - runs[0].learning_rate * EIGENVALUES) ** logs[0].columns["step"][:, None]
    np.testing.assert_allclose(logs[0].columns["loss"], shrunk**2 @ EIGENVALUES / 2, rtol=1e-4)
