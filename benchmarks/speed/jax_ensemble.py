"""The default study's perceptron as an ensemble in JAX: vmap over members, scan over steps, jit over all.

A process of its own, held to one thread of one core before JAX starts. Arguments: pairs BATCH_SIZE:WIDTH. Prints a
JSON object of microseconds a run and step.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.speed.timing import block, calls_a_block

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
WIDTHS = (64, 64, 64, 10)
STEPS = 32  # a call of the compiled function


def installed() -> bool:
    """Whether JAX can be imported."""
    return importlib.util.find_spec("jax") is not None


def measured(settings: list[tuple[int, int]], platform: str = "cpu") -> dict[tuple[int, int], float]:
    """Microseconds a run and step by (batch size, width), in a process of its own. platform: cpu or cuda."""
    command = [sys.executable, "-m", "benchmarks.speed.jax_ensemble", *(f"{b}:{k}" for b, k in settings)]
    on_cpu = {"XLA_FLAGS": ONE_THREAD, "OMP_NUM_THREADS": "1"} if platform == "cpu" else {}
    shared = {"JAX_PLATFORMS": platform, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    environment = os.environ | shared | on_cpu
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    times = json.loads(out)
    return {(b, k): times[f"{b}:{k}"] for b, k in settings}


def ensemble(batch_size: int, width: int) -> Callable[[], object]:
    """STEPS steps of `width` runs of SGD with momentum, mini-batches gathered on the way."""
    import jax
    import jax.numpy as jnp
    from mstudy.data.digits import load_digits

    data = load_digits()
    x = jnp.asarray(data.inputs.reshape(len(data.inputs), -1), jnp.float32)
    y = jax.nn.one_hot(jnp.asarray(data.targets), data.n_outputs)

    def loss(weights: Any, x: Any, y: Any) -> Any:
        for a, b in weights[:-1]:
            x = jnp.tanh(x @ a + b)
        a, b = weights[-1]
        return ((x @ a + b - y) ** 2).sum(axis=1).mean() / 2

    def step(weights: Any, velocity: Any, rate: Any, momentum: Any, key: Any) -> Any:
        rows = jax.random.randint(key, (batch_size,), 0, len(x))
        part = (x, y) if batch_size == len(x) else (x[rows], y[rows])
        gradient = jax.grad(loss)(weights, *part)
        velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, gradient)
        return jax.tree.map(lambda w, v: w - rate * v, weights, velocity), velocity

    def train(weights: Any, velocity: Any, rate: Any, momentum: Any, keys: Any) -> Any:
        def one(carry: Any, key: Any) -> Any:
            return step(*carry, rate, momentum, key), None

        return jax.lax.scan(one, (weights, velocity), keys)[0]

    together = jax.jit(jax.vmap(train))
    weights = _initial(width)
    state = [jax.tree.map(jnp.asarray, weights), jax.tree.map(jnp.zeros_like, weights)]
    rate, momentum = jnp.geomspace(0.01, 0.08, width), jnp.full(width, 0.5)
    keys = jax.random.split(jax.random.key(0), (width, STEPS))

    def call() -> None:
        state[:] = together(*state, rate, momentum, keys)
        jax.block_until_ready(state)

    return call


def _initial(width: int) -> list[tuple[Any, Any]]:
    generator = np.random.default_rng(0)

    def drawn(n_in: int, *shape: int) -> Any:
        return generator.uniform(-(n_in**-0.5), n_in**-0.5, (width, *shape)).astype(np.float32)

    return [(drawn(m, m, n), drawn(m, n)) for m, n in pairwise(WIDTHS)]


def main() -> None:
    """Time every setting named on the command line."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    times = {}
    for setting in sys.argv[1:]:
        batch_size, width = map(int, setting.split(":"))
        call = ensemble(batch_size, width)
        n = calls_a_block(call)
        times[setting] = min(block(call, n) for _ in range(5)) / (STEPS * width) * 1e6
    print(json.dumps(times))


if __name__ == "__main__":
    main()
