"""Time of one training step of one run: the library against the loop that a user would write, and against JAX."""

from __future__ import annotations

import torch
from mstudy.train.sweep.job import dataset
from mstudy.train.sweep.width import choose_width

from benchmarks.speed import jax_ensemble
from benchmarks.speed.contenders import ensemble_step, gentle_digits, plain_step
from benchmarks.speed.pair import Job, Pair
from benchmarks.speed.timing import BLOCK_SECONDS, ROUNDS, least, table

BATCH_SIZES = (16, 64, 256, 512, 1797)
JAX_WIDTHS = (1, 8, 64)


def section() -> str:
    """The section of the README."""
    widths, rows = {}, []
    with Pair() as pair:
        for b in BATCH_SIZES:
            alone, ours, widths[b] = _one_process(b)
            alone_2 = pair.seconds(Job(b, 0, round(BLOCK_SECONDS / alone)))
            ours_2 = pair.seconds(Job(b, widths[b], max(1, round(BLOCK_SECONDS / (ours * widths[b])))))
            rows.append((b, alone, ours, alone_2, ours_2))
    jax = _jax(widths)
    return _text([_line(row, widths[row[0]], jax.get(row[0])) for row in rows])


def _one_process(batch_size: int) -> tuple[float, float, int]:
    """Seconds of the loop's step, of ours a run, and our width."""
    data, runs = dataset("digits"), gentle_digits(batch_size)
    width = choose_width(runs, data, torch.device("cpu"), workers=2).width
    alone, together = least([plain_step(runs[0], data), ensemble_step(runs[:width], data)])
    return alone, together / width, width


def _jax(widths: dict[int, int]) -> dict[int, tuple[float, int, float]]:
    """By batch size: microseconds at our width, JAX's best width and microseconds there; nothing without JAX."""
    if not jax_ensemble.installed():
        return {}
    tried = {b: sorted({*JAX_WIDTHS, width}) for b, width in widths.items()}
    times = jax_ensemble.measured([(b, k) for b, ks in tried.items() for k in ks])
    best = {b: min(ks, key=lambda k: times[b, k]) for b, ks in tried.items()}
    return {b: (times[b, widths[b]], best[b], times[b, best[b]]) for b in widths}


def _line(row: tuple[int, float, float, float, float], width: int, jax: tuple[float, int, float] | None) -> list[str]:
    batch_size, alone, ours, alone_2, ours_2 = row
    cells = [f"{batch_size}", f"{width}", f"{alone * 1e6:.0f}", f"{ours * 1e6:.0f}", f"{alone / ours:.2f}"]
    cells += [f"{alone_2 * 1e6:.0f}", f"{ours_2 * 1e6:.0f}", f"{alone_2 / ours_2:.2f}"]
    if jax is None:
        return [*cells, "not installed", "not installed"]
    same, best_width, best = jax
    return [*cells, f"{same:.0f}", f"{best:.0f} (width {best_width})"]


def _text(rows: list[list[str]]) -> str:
    head = ["batch size", "width", "loop", "ours", "loop / ours"]
    head += ["two loops", "two workers", "loops / workers", "JAX, our width", "JAX, its best"]
    return f"""## One step of training, digits (`benchmarks/speed/training.py`)

Microseconds a run and step. Perceptron 64-64-64-10, tanh, squared error, nothing logged, one thread a process; least
of {ROUNDS} blocks of {BLOCK_SECONDS} s. Loop: one network, `torch.nn`, autograd and `torch.optim.SGD`. Ours: the
ensemble at the width that the engine measures to be fastest. Two loops, two workers: two processes at once, wall time
over the runs of both. JAX: `vmap`, `jit` and `lax.scan` on one core, at our width and at the best of
{", ".join(map(str, JAX_WIDTHS))} and ours.

{table(head, rows)}
"""
