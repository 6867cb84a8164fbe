"""One step of training on a GPU against the loop that a user would write there, and the price of curvature.

python -m benchmarks.speed.gpu [--write]: Markdown to stdout, or to benchmarks/gpu.md. Needs a GPU; JAX where it is
installed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from mstudy.core.params import Cadence, Study
from mstudy.curvature.network import CURVATURE, GRADIENT
from mstudy.data.dataset import Dataset
from mstudy.train.configs import RunConfig, plan_runs
from mstudy.train.ensemble.build_network import build_network
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.device_data import Samples
from mstudy.train.ensemble.loop import train_ensemble
from mstudy.train.ensemble.memory import keep_freed_memory
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.width import choose_width

from benchmarks.speed import jax_ensemble
from benchmarks.speed.contenders import ensemble_step, plain_step
from benchmarks.speed.models import IMAGE, Setting
from benchmarks.speed.timing import BLOCK_SECONDS, ROUNDS, least, table

GPU = torch.device("cuda")
WIDTH = 512
BATCH_SIZES = (16, 64, 256, 1797)
JAX_BATCH_SIZES = (16, 1797)  # it compiles for long
SETTINGS = (
    Setting("cnn-relu-16-32", (1, 28, 28), 64),
    Setting("resnet18-group-16", IMAGE, 32),
    Setting("resnet18-group-64", IMAGE, 128),
    Setting("resnet18-batch-64", IMAGE, 128),
    Setting("vgg11-group-64", IMAGE, 128),
    Setting("transformer-2-64-4", (64,), 64, symbols=65),
)


def megabytes_of(runs: list[RunConfig], data: Dataset) -> float:
    """Most memory that tensors take while these train side by side, in MB."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step = ensemble_step(runs, data, GPU)
    for _ in range(5):
        step()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def digits_runs(batch_size: int) -> list[RunConfig]:
    """As many as are asked for, none of which diverges: seeds, rates and momenta of the default study."""
    study = replace(Study(), batch_sizes=(batch_size,), seeds=WIDTH)
    same = plan_runs("digits", study, dataset("digits"))
    return [run for run in same if run.learning_rate / (1 - run.momentum) < 0.05][:WIDTH]


def perceptrons() -> str:
    """Microseconds a run and step."""
    data = dataset("digits")
    settings = [(b, WIDTH) for b in JAX_BATCH_SIZES]
    jax = jax_ensemble.measured(settings, "cuda") if jax_ensemble.installed() else {}
    rows = []
    for b in BATCH_SIZES:
        runs = digits_runs(b)
        megabytes = megabytes_of(runs, data)
        calls = [plain_step(runs[0], data, GPU), ensemble_step(runs, data, GPU)]
        loop, together = least(calls, wait=torch.cuda.synchronize)
        ours = together / WIDTH
        beside = f"{jax[b, WIDTH]:.2f}" if (b, WIDTH) in jax else "not measured"
        rows.append(
            [f"{b}", f"{loop * 1e6:.0f}", f"{ours * 1e6:.2f}", f"{loop / ours:.0f}", beside, f"{megabytes:.0f}"]
        )
    return table(["batch size", "loop", "ours", "loop / ours", "JAX", "ours, MB"], rows)


def networks() -> str:
    """Milliseconds a run and step."""
    rows = []
    for setting in SETTINGS:
        data = setting.data()
        runs = setting.runs(data)
        width = choose_width(runs, data, GPU, workers=1).width
        calls = [plain_step(runs[0], data, GPU), ensemble_step(runs[:1], data, GPU)]
        calls += [ensemble_step(runs[:width], data, GPU)] if width > 1 else []
        repeated, *steps = least(calls, wait=torch.cuda.synchronize)
        ours = steps[-1] / width
        with torch.backends.cudnn.flags(enabled=True, deterministic=False, allow_tf32=True):
            loop = least(calls[:1], wait=torch.cuda.synchronize)[0]
        rows.append(
            [
                setting.model,
                "x".join(map(str, setting.shape)),
                f"{setting.batch_size}",
                f"{loop * 1e3:.3g}",
                f"{repeated * 1e3:.3g}",
                f"{width}",
                f"{ours * 1e3:.3g}",
                f"{loop / ours:.2f}",
                f"{steps[0] * 1e3:.3g}",
                f"{megabytes_of(runs[:width], data):.0f}",
            ]
        )
        del calls
        torch.cuda.empty_cache()
    head = [
        "model",
        "input",
        "batch size",
        "loop",
        "loop, repeatable",
        "width",
        "ours",
        "loop / ours",
        "one alone",
        "MB",
    ]
    return table(head, rows)


def prices() -> str:
    """In gradients of the same samples."""
    rows = []
    for setting in SETTINGS:
        data = setting.data()
        batch = Samples(data, torch.float32, GPU).first(min(data.n_samples, setting.batch_size))
        network = build_network(setting.model, "cross_entropy", data, GPU)
        w = network.initial_weights(0)[None].to(GPU)
        direction = torch.nn.functional.normalize(torch.randn_like(w))
        second = build_network(setting.model, "cross_entropy", data, GPU)
        product = second.evaluate(w, batch, CURVATURE).hessian_operator()

        def logged(network=network, w=w, batch=batch, direction=direction) -> None:  # type: ignore[no-untyped-def]
            at = network.evaluate(w, batch, CURVATURE)
            at.gradient()
            at.curvature_along(direction)

        calls = [
            lambda network=network, w=w, batch=batch: network.evaluate(w, batch, GRADIENT).gradient(),
            logged,
            lambda product=product, direction=direction: product(direction),
        ]
        plain, kappa, image = least(calls, wait=torch.cuda.synchronize)
        cells = [f"{plain * 1e3:.3g}", f"{kappa / plain - 1:.2f}", f"{image / plain:.2f}"]
        rows.append([setting.model, f"{batch.n_samples}", *cells])
    return table(["model", "samples", "gradient, ms", "curvature along the update", "Hessian-vector product"], rows)


def sweep() -> str:
    """Seconds of a whole ensemble of the default study, with and without its log."""
    rows = []
    for b in BATCH_SIZES:
        runs, data = digits_runs(b), dataset("digits")
        never = Cadence(dense_steps=0, growth=1.0, every={"directional_curvature": 0, "sharpness": 0})
        cells = []
        for cadence in (never, replace(runs[0].cadence, adaptive_factor=None)):
            logged = [replace(run, cadence=cadence) for run in runs]
            torch.cuda.reset_peak_memory_stats()
            start = time.perf_counter()
            train_ensemble(logged, data, GPU)
            cells += [f"{time.perf_counter() - start:.2f}", f"{torch.cuda.max_memory_allocated() / 1e6:.0f}"]
        rows.append([f"{b}", *cells])
    return table(["batch size", "nothing logged, s", "MB", "default cadence, s", "MB"], rows)


def sections() -> Iterator[str]:
    """In Markdown, one by one."""
    versions = f"torch {torch.__version__}, {torch.cuda.get_device_name()}"
    yield f"""# On a GPU (`benchmarks/speed/gpu.py`)

Machine: {versions}. Least of {ROUNDS} blocks of {BLOCK_SECONDS} s; nothing logged unless it says so. Loop: one
network, `torch.nn`, autograd and `torch.optim.SGD`, eager, with torch's default arithmetic (convolutions multiply in
TF32, in ours too). Ours: steps recorded as a CUDA graph."""
    yield f"""## Ensembles of perceptrons

Microseconds a run and step: perceptron 64-64-64-10, tanh, squared error, digits. Ours: {WIDTH} side by side, and the
most memory that their tensors take. JAX: `vmap`, `jit` and `lax.scan` at the same width, in its default arithmetic
(products in TF32; ours in float32).

{perceptrons()}"""
    yield f"""## Each family of models

Milliseconds a run and step, cross-entropy, momentum 0.9, random samples of the shape of CIFAR-10's where it is
3x32x32. Beside the loop the same with algorithms of cuDNN that repeat to the bit, as ours do. Width: that which the
engine measures to be fastest. MB: most memory that its tensors take.

{networks()}"""
    yield f"""## A whole ensemble

{WIDTH} perceptrons on digits, {Study().steps} steps: wall time and most memory.

{sweep()}"""
    yield f"""## Price of curvature

In gradients of the same samples, one network.

{prices()}"""


def main() -> None:
    """Print, and write where asked to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    parts = []
    keep_freed_memory()  # as training does
    with repeatable():
        for part in sections():
            print(part, end="\n\n", flush=True)
            parts.append(part)
    if options.write:
        (Path(__file__).parents[1] / "gpu.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
