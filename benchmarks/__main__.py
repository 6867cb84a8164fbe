"""Runs the benchmarks and writes benchmarks/README.md; with names, such as training or sharpness, prints those."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy  # noqa: F401  (its OpenBLAS is asked for below)
from mstudy.train.ensemble.determinism import repeatable
from mstudy.train.ensemble.memory import keep_freed_memory
from threadpoolctl import threadpool_info

from benchmarks.error_rates import sharpness
from benchmarks.speed import curvature, models, training
from benchmarks.speed.timing import cpu

SECTIONS = {"training": training, "models": models, "curvature": curvature, "sharpness": sharpness}


def main(names: list[str]) -> None:
    """Measure, print, and write if nothing is left out."""
    parts = [_head()]
    keep_freed_memory()  # as training does
    with repeatable():
        for name in names or SECTIONS:
            parts.append(SECTIONS[name].section())
            print(parts[-1], flush=True)
    if not names:
        (Path(__file__).parent / "README.md").write_text("\n".join(parts))


def _head() -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "scipy", "jax"))
    return f"""# Benchmarks

Written by `make bench`, on a machine with nothing else to do; figures compare within one table only.
Machine: {cpu()}. Versions: {versions}.
NumPy's products: {_products()}.
`python -m benchmarks.outside FOLDER --write` (`make outside`) sets mstudy beside public logs: docs/outside-data.md.
`python -m benchmarks.effects FOLDER --write` (`make effects`) measures what treatments of branches do: docs/effects.md.
"""


def _products() -> str:
    """Library and kernels: a setting of the environment may hold them back."""
    return ", ".join(
        f"{i['internal_api']} {i['version']} ({i['architecture']})"
        for i in threadpool_info()
        if i["user_api"] == "blas"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main(sys.argv[1:])
