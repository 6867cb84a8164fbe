"""How often is the sharpness of a log wrong? `python -m benchmarks sharpness` prints the rates.

On the way of short full-batch trainings of one network of each family, at the steps that are logged, the search of a
training is held against `scipy.sparse.linalg.eigsh` in float64 to a relative 1e-5. That one starts at random, so a
symmetry of the network hides nothing from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mstudy.core.params import Cadence, Grid, Init, Study
from mstudy.core.quantities import SHARPNESS
from mstudy.curvature.davidson import top_eigenpair
from mstudy.curvature.flat_rows import chance_rows
from mstudy.curvature.mlp_network import Mlp
from mstudy.curvature.module_network import ModuleNetwork
from mstudy.curvature.network import CURVATURE, Batch, Network
from mstudy.curvature.objectives import OBJECTIVES
from mstudy.data.dataset import Dataset
from mstudy.models.build import build
from mstudy.models.families import parse
from mstudy.train.configs import RunConfig, plan_runs
from mstudy.train.ensemble.build_network import build_network
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.logged_rows import Rows
from mstudy.train.ensemble.schedule import Schedule, logged_steps
from mstudy.train.ensemble.step import Ensemble
from mstudy.train.sweep.job import dataset
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from benchmarks.speed.models import IMAGE, Setting
from benchmarks.speed.timing import table

CPU = torch.device("cpu")
NEAR = 0.01
TOLERANCE = 1e-5  # relative, of the truth
ONE_RATE = Grid(0.1, 0.1, 1)  # of the networks whose products are dear
RATES = Grid(0.05, 0.2, 2)  # effective learning rates of the networks that have no others
ODD_RATES = Grid(0.2, 0.4, 2)  # of which the odd networks come to their edge
START = Init("xavier_normal", gain=1.9, zero_biases=True)
LOG = Cadence(dense_steps=0, growth=0.35, every={"sharpness": 1, "batch_sharpness": 0}, adaptive_factor=None)
HEADING = f"""## Error rates of the sharpness (`benchmarks/error_rates/sharpness.py`)

{(__doc__ or "").partition(chr(10) * 2)[2].strip()}

Cold: the first search of a training, at its initial weights. Warm: every later one. Momentum 0 and 0.9. The networks
of the Chebyshev polynomials are those of `benchmarks/plateaus.md`; of degree 3 and 5 they are odd, since their biases
begin at zero. They make most of the searches, so each network is to be judged by its own rows."""


@dataclass(frozen=True)
class Task:
    """What is trained: a name for the table, data, and the study of them."""

    name: str
    data: Dataset
    study: Study


@dataclass(frozen=True)
class Search:
    """One search: whether it started from no earlier one, its products, and its error relative to the truth."""

    cold: bool
    products: int
    error: float


def tasks() -> Iterator[Task]:
    """Digits; odd and even networks; one network of each family that goes by autograd."""
    digits = dataset("digits")
    yield Task("mlp-tanh-64-64, digits", digits, _study("mlp-tanh-64-64", RATES, 800, "squared_error"))
    for degree in (3, 4, 5):
        x = np.linspace(-1, 1, 20)[:, None]
        data = Dataset("chebyshev", x, np.polynomial.Chebyshev.basis(degree)(x), 1)
        study = _study("mlp-tanh-100", ODD_RATES, 800, "squared_error", START, seeds=3)
        yield Task(f"mlp-tanh-100, Chebyshev of degree {degree}", data, study)
    yield Task("cnn-relu-8-8, 128 of digits", digits.first(128), _study("cnn-relu-8-8", RATES, 100))
    yield Task("resnet18-group-4, 16 of digits", _enlarged(digits.first(16)), _study("resnet18-group-4", ONE_RATE, 12))
    vgg = Setting("vgg11-group-4", IMAGE, 16)
    yield Task("vgg11-group-4, 8 random images", vgg.data().first(8), _study(vgg.model, ONE_RATE, 12))
    text = Setting("transformer-1-32-2", (16,), 16, symbols=16)
    yield Task("transformer-1-32-2, 16 random texts", text.data().first(16), _study(text.model, ONE_RATE, 30))


def section() -> str:
    """The section of the README."""
    rows: list[list[str]] = []
    everything: list[Search] = []
    for task in tasks():
        found = [s for run in plan_runs("rates", task.study, task.data) for s in searches(run, task.data)]
        everything += found
        rows += _rows(task.name, found)
    head = ["network", "search", "n", "products, median", "most", "error, median", "worst", "above 1 %"]
    return f"{HEADING}\n\n{table(head, rows + _rows('all', everything))}\n"


def searches(run: RunConfig, data: Dataset) -> Iterator[Search]:
    """Every search of a training."""
    network = build_network(run.model, run.objective, data, CPU)
    exact = in_float64(network, run, data)
    samples, same = (Samples(data, dtype, CPU).first(run.n_train) for dtype in (network.dtype, torch.float64))
    for w, start in points(run, data):
        products, value = found(network, w, samples, start)
        truth = largest_eigenvalue(exact, w, same)
        yield Search(not bool(start.any()), products, abs(value / truth - 1))


def points(run: RunConfig, data: Dataset) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights at which a training measures the sharpness, and where its search starts."""
    ensemble = Ensemble([run], data, CPU)
    schedule = Schedule(run.cadence, logged_steps(run.cadence, run.steps))
    state, rows = ensemble.start(), Rows.empty(1)
    for step in range(run.steps + 1):
        w, start = state.w.clone(), state.eigenvectors.clone()
        ensemble.advance(state, rows, schedule)
        if not state.members:
            return
        if schedule.asks(SHARPNESS, step):
            yield w, start


def found(network: Network, w: Tensor, batch: Batch, start: Tensor) -> tuple[int, float]:
    """Products and value of the search that training makes."""
    at, calls = network.evaluate(w, batch, CURVATURE), [0]
    product = at.hessian_operator()

    def counted(v: Tensor) -> Tensor:
        calls[0] += 1
        return product(v)

    chance = chance_rows(network.n_parameters, w)
    first, second = start.chunk(2, dim=1)
    value = top_eigenpair(counted, first, at.gradient(), chance, second).value
    return calls[0], float(value)


def largest_eigenvalue(network: Network, w: Tensor, batch: Batch) -> float:
    """The truth, from a random start."""
    n = network.n_parameters
    product = network.evaluate(w.double(), batch, CURVATURE).hessian_operator()

    def matvec(v: NDArray[Any]) -> NDArray[Any]:
        row = torch.zeros(1, network.row_length, dtype=torch.float64)
        row[0, :n] = torch.from_numpy(v.reshape(-1))
        return product(row)[0, :n].numpy()

    v0 = np.random.default_rng(1).normal(size=n)
    operator = LinearOperator((n, n), matvec=matvec, dtype=v0.dtype)
    return float(eigsh(operator, k=1, which="LA", v0=v0, tol=TOLERANCE, return_eigenvectors=False)[0])


def in_float64(network: Network, run: RunConfig, data: Dataset) -> Network:
    """The same network in float64."""
    objective = OBJECTIVES[run.objective]
    if isinstance(network, Mlp):
        return Mlp(network.widths, parse(run.model).activation or "tanh", objective, torch.float64)
    shape = data.input_shape
    return ModuleNetwork(lambda: build(run.model, shape, data.n_outputs, data.is_text), objective, torch.float64)


def _study(
    model: str, rates: Grid, steps: int, objective: str = "cross_entropy", init: Init | None = None, seeds: int = 1
) -> Study:
    return Study(
        model=model, objective=objective, init=init or Init(), batch_sizes=("full",), eta_ef=rates, momenta=(0.0, 0.9),
        seeds=seeds, steps=steps, log=LOG,
    )  # fmt: skip


def _enlarged(data: Dataset) -> Dataset:
    """The same images at twice their height and width."""
    large = np.repeat(np.repeat(data.inputs.reshape(-1, 1, 8, 8), 2, axis=2), 2, axis=3)
    return Dataset(data.name, large, data.targets, data.n_outputs)


def _rows(name: str, searches: list[Search]) -> list[list[str]]:
    parts = {"cold": [s for s in searches if s.cold], "warm": [s for s in searches if not s.cold]}
    return [[name, kind, *_cells(part)] for kind, part in parts.items()]


def _cells(part: list[Search]) -> list[str]:
    products, errors = [s.products for s in part], [s.error for s in part]
    cells = [f"{len(part)}", f"{np.median(products):.0f}", f"{max(products)}"]
    cells += [f"{np.median(errors):.3%}", f"{max(errors):.2%}"]
    return [*cells, f"{sum(not error <= NEAR for error in errors)}"]
