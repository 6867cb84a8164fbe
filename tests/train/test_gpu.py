"""Truth: the same training on the CPU, and the dense Hessian there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mstudy.core.branching.treatments import Rule
from mstudy.core.params import Cadence
from mstudy.curvature.network import CURVATURE
from mstudy.data.dataset import Dataset
from mstudy.train.branching import Branching
from mstudy.train.ensemble.build_network import build_network
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.loop import train_ensemble

from tests.train.configs import RUN as BASE

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@pytest.fixture(autouse=True)
def float32():
    """Convolutions in float32; by default torch lets a GPU round their factors to TF32."""
    with repeatable(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


CPU, GPU = torch.device("cpu"), torch.device("cuda")
# Smooth networks: of a relu's inputs one that is zero but for rounding may fall on either side.
MODELS = {"mlp-tanh-5-4": (7,), "cnn-tanh-3-4": (1, 6, 6), "transformer-1-8-2": (6,)}


def samples(model, n=40):
    generator = np.random.default_rng(5)
    shape = MODELS[model]
    if model.startswith("transformer"):
        text = generator.integers(9, size=(2, n, *shape))
        return Dataset("toy", text[0], text[1], 9)
    return Dataset("toy", generator.normal(size=(n, *shape)), generator.integers(0, 3, size=n), 3)


def some_runs(model, batch_size, **changes):
    cadence = Cadence(dense_steps=3, growth=0.3, every={"sharpness": 1, "batch_sharpness": 3, "edge_ratio": 1})
    base = replace(BASE, model=model, objective="cross_entropy", batch_size=batch_size, cadence=cadence, **changes)
    sgdm = {"momentum": 0.9, "optimizer": "heavy_ball", "learning_rate": 0.005}
    branch = {"learning_rate": 0.05, "branching": Branching(7, Rule("heavy_ball", 0.005, 0.9))}
    return [replace(base, seed=s, **how) for s in (0, 1, 2) for how in ({"learning_rate": 0.05}, sgdm, branch)]


@pytest.mark.parametrize("batch_size", [8, 40])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("width", [1, 9])
def test_training_is_that_of_the_cpu_but_for_rounding(model, batch_size, width):
    runs = some_runs(model, batch_size, steps=30)[:width]

    here, there = (train_ensemble(runs, samples(model), device) for device in (CPU, GPU))

    for cpu, gpu in zip(here, there, strict=True):
        assert (gpu.metadata["device"], gpu.metadata["convolutions"]) == ("cuda", "float32")
        assert gpu.columns.keys() == cpu.columns.keys()
        for name, values in cpu.columns.items():
            if name == "sharpness_residual":  # how far a search went, not what it found
                continue
            # A difference of two losses is not given once rounding is a 200th of it: 5e-3 of an edge ratio's 1.
            largest = 1.0 if name == "edge_ratio" else np.nanmax(np.abs(values))
            np.testing.assert_allclose(gpu.columns[name], values, rtol=0, atol=5e-3 * largest, err_msg=name)
        np.testing.assert_allclose(gpu.columns["loss"], cpu.columns["loss"], rtol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_the_same_training_twice_is_the_same_to_the_bit(model):
    runs = some_runs(model, 8, steps=30)

    logs = [train_ensemble(runs, samples(model), GPU) for _ in range(2)]

    for a, b in zip(*logs, strict=True):
        for name, values in a.columns.items():
            np.testing.assert_array_equal(b.columns[name], values, err_msg=name)


def test_members_that_diverge_leave_at_the_step_of_the_cpu():
    runs = [run for run in some_runs("mlp-tanh-5-4", 8, steps=80, divergence_factor=2.0) if run.branching is None]
    runs = [
        replace(run, learning_rate=rate) for run, rate in zip(runs, (0.05, 5.0, 0.05, 50.0, 500.0, 0.1), strict=True)
    ]

    here, there = (train_ensemble(runs, samples("mlp-tanh-5-4"), device) for device in (CPU, GPU))

    assert {log.status for log in here} == {"completed", "diverged"}
    assert [log.diverged_step for log in there] == [log.diverged_step for log in here]


@pytest.mark.parametrize("model", [*MODELS, "resnet18-group-4", "resnet18-batch-4"])
def test_derivatives_against_float64_on_the_cpu(model):
    shape = MODELS.get(model, (3, 16, 16))
    data = (
        samples(model)
        if model in MODELS
        else Dataset("toy", np.random.default_rng(5).normal(size=(12, *shape)), np.arange(12) % 3, 3)
    )
    network = build_network(model, "cross_entropy", data, GPU)
    exact = build_network(model, "cross_entropy", data, CPU)
    w = network.initial_weights(0)[None]
    d = torch.nn.functional.normalize(torch.randn(w.shape, generator=torch.Generator().manual_seed(1)), dim=1)

    at = network.evaluate(w.to(GPU), Samples(data, torch.float32, GPU).first(data.n_samples), CURVATURE)
    truth = exact.evaluate(w.double(), Samples(data, torch.float64, CPU).first(data.n_samples), CURVATURE)

    tolerance = 1e-5 if model in MODELS else 1e-3  # relu: an input that is zero but for rounding
    gradient, expected = at.gradient().double().cpu(), truth.gradient().double()
    assert (gradient - expected).norm() < tolerance * expected.norm()
    image, expected = at.hessian_operator()(d.to(GPU)).double().cpu(), truth.hessian_operator()(d.double())
    assert (image - expected).norm() < 10 * tolerance * expected.norm()
    torch.testing.assert_close(at.loss.double().cpu(), truth.loss.double(), rtol=1e-6, atol=0)
