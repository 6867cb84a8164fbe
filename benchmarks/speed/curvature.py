"""Price of curvature, in gradients of the same samples, and how near the sharpness comes to the largest eigenvalue."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mstudy.core.params import Cadence, Grid, Study
from mstudy.core.quantities import SHARPNESS
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.flat_rows import chance_rows
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.network import CURVATURE, GRADIENT, Batch
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.plan.training_cost import Estimate, estimate_study
from mstudy.train.configs import RunConfig, plan_runs
from mstudy.train.ensemble.build_network import build_network
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.loop import train_ensemble
from mstudy.train.ensemble.schedule import Schedule, logged_steps
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.store import Store
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from benchmarks.speed.contenders import gentle_digits
from benchmarks.speed.models import IMAGE, Setting
from benchmarks.speed.timing import block, least, table

CPU = torch.device("cpu")
TRAININGS = Study(batch_sizes=("full",), eta_ef=Grid(0.04, 0.32, 4), momenta=(0.0, 0.5, 0.9), seeds=1)
DEFAULT = float(inspect.signature(top_eigenpair).parameters["relative_residual"].default)
SHARES = sorted({0.05, 0.02, DEFAULT}, reverse=True)
TURNS = 5
LOGGED_WIDTH = 4  # logging costs a member the same in any width
NEVER = Cadence(dense_steps=0, growth=1.0, every={"directional_curvature": 0, "sharpness": 0})


def section() -> str:
    """The section of the README."""
    return "\n".join([_prices(), _sharpness(), _logging()])


# Products with the Hessian


def _prices() -> str:
    digits = dataset("digits")
    rows = [_price("mlp-tanh-64-64, squared error, digits", "mlp-tanh-64-64", "squared_error", digits, 1797)]
    for setting in (
        Setting("cnn-relu-16-32", (1, 8, 8), 256),
        Setting("resnet18-group-8", IMAGE, 32),
        Setting("resnet18-batch-8", IMAGE, 32),
        Setting("transformer-2-64-4", (64,), 16, symbols=65),
    ):
        name = f"{setting.model}, cross-entropy, random samples"
        rows.append(_price(name, setting.model, "cross_entropy", setting.data(), setting.batch_size))
    head = ["model", "samples", "gradient, ms", "curvature along the update", "Hessian-vector product"]
    return f"""## Price of curvature (`benchmarks/speed/curvature.py`)

In units of one gradient (forward and backward pass) of the same samples; one network, one thread. The curvature along
the update is what a logged step takes beyond the gradient that training needs anyway; both share the forward pass.

{table(head, rows)}
"""


def _price(name: str, model: str, objective: str, data: Dataset, n_samples: int) -> list[str]:
    network = build_network(model, objective, data, CPU)
    batch = Samples(data, network.dtype, CPU).first(n_samples)
    w = network.initial_weights(0)[None]
    product = build_network(model, objective, data, CPU).evaluate(w, batch, CURVATURE).hessian_operator()
    direction = torch.nn.functional.normalize(network.evaluate(w, batch, GRADIENT).gradient().clone())

    def gradient(order: int = GRADIENT, along: bool = False) -> None:
        at = network.evaluate(w, batch, order)
        at.gradient()
        if along:
            at.curvature_along(direction)

    plain, logged, second = least([gradient, lambda: gradient(CURVATURE, True), lambda: product(direction)])
    return [name, f"{n_samples}", f"{plain * 1e3:.3g}", f"{logged / plain - 1:.2f}", f"{second / plain:.2f}"]


# The search for the sharpness


@dataclass(frozen=True)
class Search:
    """One search for the largest eigenvalue: products, gradients that it cost, value and true value."""

    products: int
    cost: float
    value: float
    truth: float

    @property
    def error(self) -> float:
        """Relative error."""
        return abs(self.value / self.truth - 1)


def _sharpness() -> str:
    data = dataset("digits")
    found: dict[str, list[Search]] = {}
    for run in plan_runs("digits", TRAININGS, data):
        for searches in _searches(run, data):
            for name, search in searches.items():
                found.setdefault(name, []).append(search)
    rows = [_summary(name, searches) for name, searches in found.items()]
    head = ["search", "n", "products, median", "worst", "gradients, median", "worst", "error, median", "worst"]
    etas = ", ".join(f"{eta:g}" for eta in TRAININGS.eta_ef.values())
    momenta = ", ".join(f"{mu:g}" for mu in TRAININGS.momenta)
    return f"""## Largest eigenvalue of the Hessian (`benchmarks/speed/curvature.py`)

On the way of full-batch trainings of the digits perceptron at the default cadence: eta_ef {etas}, momentum {momenta},
{TRAININGS.steps} steps; one network, one thread. Every search but the first of a training begins with each of the
two vectors that the one before found, a share of the gradient and of a random direction in the second, and ends once
its residual is at most a share of the eigenvalue and small against the gap to the second.
Cost in gradients of the training set, beyond the forward pass and the gradient; least processor time of {TURNS} of
both. Error: relative, against `scipy.sparse.linalg.eigsh` in float64 to its full tolerance. Two eigenvalues that trade
places between searches make the worst case.

{table([*head, "above 1 %"], rows)}
"""


def _summary(name: str, searches: list[Search]) -> list[str]:
    products = [search.products for search in searches]
    costs = [search.cost for search in searches]
    errors = [search.error for search in searches]
    cells = [name, f"{len(searches)}", f"{np.median(products):.0f}", f"{max(products)}"]
    cells += [f"{np.median(costs):.1f}", f"{max(costs):.1f}", f"{np.median(errors):.2%}", f"{max(errors):.2%}"]
    return [*cells, f"{sum(error > 0.01 for error in errors)}"]


def _searches(run: RunConfig, data: Dataset) -> Iterator[dict[str, Search]]:
    """Every search, wherever the training measures the sharpness; each beside a gradient, timed in turns with it."""
    everything = Samples(data, torch.float32, CPU).first(run.n_train)
    network = build_network(run.model, run.objective, data, CPU)
    assert isinstance(network, Mlp)
    exact = Mlp(network.widths, "tanh", OBJECTIVES[run.objective], torch.float64)
    for cold, w, start in _points(run, data):
        truth = _eigsh(exact, w, everything, start, 0)[2]

        def ours(share: float, w: Tensor = w, start: Tensor = start, truth: float = truth) -> Search:
            return _in_gradients(network, w, everything, lambda: _ours(network, w, everything, start, share), truth)

        if cold:
            yield {"first, from gradient and chance": ours(DEFAULT)}
            continue
        searches = {f"residual {share:g}{', default' if share == DEFAULT else ''}": ours(share) for share in SHARES}
        arpack = partial(_eigsh, network, w, everything, start, 0.01)
        yield searches | {"`eigsh`, tol = 0.01": _in_gradients(network, w, everything, arpack, truth)}


def _in_gradients(
    network: Mlp, w: Tensor, batch: Batch, search: Callable[[], tuple[int, float, float]], truth: float
) -> Search:
    """The least of some searches over the least of as many gradients."""
    pairs = [(search(), _gradient_seconds(network, w, batch)) for _ in range(TURNS)]
    products, _, value = pairs[0][0]
    return Search(products, min(s[1] for s, _ in pairs) / min(g for _, g in pairs), value, truth)


def _gradient_seconds(network: Mlp, w: Tensor, batch: Batch) -> float:
    begin = time.process_time()
    network.evaluate(w, batch, GRADIENT).gradient()
    return time.process_time() - begin


def _points(run: RunConfig, data: Dataset) -> Iterator[tuple[bool, Tensor, Tensor]]:
    """Weights at which the default cadence measures the sharpness, and where the search starts; the first from cold."""
    ensemble = Ensemble([run], data, CPU)
    schedule = Schedule(run.cadence, logged_steps(run.cadence, run.steps))
    state, rows = ensemble.start(), Rows.empty(1)
    for step in range(run.steps + 1):
        w, start = state.w.clone(), state.eigenvectors.clone()
        ensemble.advance(state, rows, schedule)
        if schedule.asks(SHARPNESS, step):
            cold = not bool(start.any())
            yield cold, w, start


def _ours(network: Mlp, w: Tensor, batch: Batch, start: Tensor, share: float) -> tuple[int, float, float]:
    """Products, seconds, value."""
    at, calls = network.evaluate(w, batch, CURVATURE), [0]
    gradient = at.gradient()  # training has it anyway
    begin = time.process_time()
    chance = chance_rows(network.n_parameters, w)
    product = _counted(at.hessian_operator(), calls)
    first, second = start.chunk(2, dim=1)
    value = top_eigenpair(product, first, gradient, chance, second, relative_residual=share).value
    return calls[0], time.process_time() - begin, float(value)


def _eigsh(network: Mlp, w: Tensor, batch: Batch, start: Tensor, tol: float) -> tuple[int, float, float]:
    """Products, seconds, value, in the network's own precision."""
    n, dtype, calls = network.n_parameters, network.dtype, [0]
    same = Batch(batch.x.to(dtype), batch.y.to(dtype), batch.shared)
    at = network.evaluate(w.to(dtype), same, CURVATURE)
    begin = time.process_time()
    product = _counted(at.hessian_operator(), calls)

    def matvec(v: NDArray[Any]) -> NDArray[Any]:
        row = torch.zeros_like(at.w)
        row[0, :n] = torch.from_numpy(v.reshape(-1))
        return product(row)[0, :n].numpy()

    v0 = (start if bool(start.any()) else at.gradient())[0, :n].to(dtype).numpy()
    operator = LinearOperator((n, n), matvec=matvec, dtype=v0.dtype)
    value = eigsh(operator, k=1, which="LA", tol=tol, v0=v0, return_eigenvectors=False)[0]
    return calls[0], time.process_time() - begin, float(value)


def _counted(product: Callable[[Tensor], Tensor], calls: list[int]) -> Callable[[Tensor], Tensor]:
    def counted(v: Tensor) -> Tensor:
        calls[0] += 1
        return product(v)

    return counted


# Logging


def _logging() -> str:
    study = Study()
    with tempfile.TemporaryDirectory() as folder:
        plan = estimate_study("digits", study, Store(Path(folder)), workers=2, device=CPU)
    rows = [_share(estimate) for estimate in plan.estimates]
    head = ["batch size", "width", "training, s", "loss", "curvature", "sharpness", "share of logging"]
    head += ["rows", "foretold: training, s", "logging, s"]
    return f"""## Logging at the default cadence (`benchmarks/speed/curvature.py`)

Seconds of one core a run of the default study ({study.steps} steps), nothing diverging. Training: with nothing logged,
at the width that the engine chooses. Loss, curvature, sharpness: what each adds to a whole training (of
{LOGGED_WIDTH} runs side by side, curvature and sharpness on all 1797 samples whatever the batch size).
Share of logging: of all time. Last: what `mstudy plan` foretells from a few seconds of measuring.

{table(head, rows)}
"""


def _share(estimate: Estimate) -> list[str]:
    batch_size, runs = estimate.engine.batch_size, gentle_digits(estimate.engine.batch_size)
    default = runs[0].cadence
    bare = _seconds_a_run(runs[: estimate.engine.width], NEVER)
    few = runs[:LOGGED_WIDTH]
    nothing, loss, curvature, all_of_it = (
        _seconds_a_run(few, cadence)
        for cadence in (
            NEVER,
            default.measuring(directional_curvature=0, sharpness=0),
            replace(default, adaptive_factor=None).measuring(sharpness=0),
            replace(default, adaptive_factor=None),
        )
    )
    logging = all_of_it - nothing
    n = estimate.n_runs
    return [
        f"{batch_size}",
        f"{estimate.engine.width}",
        f"{bare:.2f}",
        f"{loss - nothing:.3f}",
        f"{curvature - loss:.3f}",
        f"{all_of_it - curvature:.3f}",
        f"{logging / (bare + logging):.0%}",
        f"{len(logged_steps(default, runs[0].steps))}",
        f"{estimate.training / n:.2f}",
        f"{estimate.logging / n:.2f}",
    ]


def _seconds_a_run(runs: list[RunConfig], cadence: Cadence) -> float:
    logged = [replace(run, cadence=cadence) for run in runs]
    data = dataset(runs[0].dataset)
    return min(block(lambda: train_ensemble(logged, data), 1) for _ in range(2)) / len(runs)
