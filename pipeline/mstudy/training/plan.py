"""From a study to its runs: one frozen configuration a run, and the hash that recognises it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from mstudy.errors import ConfigError
from mstudy.params import FULL, Study
from mstudy.runlog.schema import HEAVY_BALL, NESTEROV, SCHEMA_VERSION, SGD

# Raise this when the numbers that training writes change: every run is then trained anew.
TRAINING_VERSION = 1


@dataclass(frozen=True)
class RunConfig:
    """All that determines the numbers of one run."""

    study: str
    dataset: str
    n_train: int
    model: str
    objective: str
    optimizer: str
    learning_rate: float
    momentum: float
    batch_size: int
    seed: int
    steps: int
    divergence_factor: float
    dense_steps: int
    growth: float
    sharpness_every: int

    @cached_property
    def run_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the configuration and the training code's version."""
        text = json.dumps([SCHEMA_VERSION, TRAINING_VERSION, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def full_batch(self) -> bool:
        """Whether each step sees the whole training set."""
        return self.batch_size == self.n_train

    @property
    def widths(self) -> tuple[int, ...]:
        """Layer sizes of the perceptron, inputs first."""
        return tuple(int(n) for n in self.model.removeprefix("mlp-tanh-").split("-"))

    def metadata(self) -> dict[str, Any]:
        """The part of the log's metadata that describes the run."""
        return {"schema": SCHEMA_VERSION, "run_id": self.run_id, **asdict(self), "training_version": TRAINING_VERSION}


def plan_runs(name: str, study: Study, n_available: int, n_features: int, n_classes: int) -> list[RunConfig]:
    """Every run of a study, ordered by batch size, eta_ef, momentum, seed.

    At equal effective learning rate eta_ef = learning_rate / (1 - momentum). Raises ConfigError when the data set is
    smaller than the study asks for.
    """
    n_train = study.n_train or n_available
    if n_train > n_available:
        raise ConfigError(
            f"studies.{name}.n_train must be at most the {n_available} samples of {study.dataset}, found {n_train}."
        )
    model = "mlp-tanh-" + "-".join(str(n) for n in (n_features, *study.hidden, n_classes))
    return [
        RunConfig(
            study=name,
            dataset=study.dataset,
            n_train=n_train,
            model=model,
            objective=study.objective,
            optimizer=_optimizer(mu, study.nesterov),
            # 12 digits: the same text, hence the same run_id, whatever the rounding of 1 - mu.
            learning_rate=float(f"{eta_ef * (1 - mu):.12g}"),
            momentum=mu,
            batch_size=b,
            seed=seed,
            steps=study.steps,
            divergence_factor=study.divergence_factor,
            dense_steps=study.log.dense_steps,
            growth=study.log.growth,
            sharpness_every=study.log.sharpness_every,
        )
        for b in _batch_sizes(name, study, n_train)
        for eta_ef in study.eta_ef.values()
        for mu in study.momenta
        for seed in range(study.seeds)
    ]


def _batch_sizes(name: str, study: Study, n_train: int) -> list[int]:
    sizes = [n_train if b == FULL else int(b) for b in study.batch_sizes]
    too_large = [b for b in sizes if b > n_train]
    if too_large:
        raise ConfigError(
            f"studies.{name}.batch_sizes must be at most n_train = {n_train}, found {too_large[0]}; "
            f"write {FULL!r} for the whole training set."
        )
    if len(set(sizes)) < len(sizes):
        raise ConfigError(
            f"studies.{name}.batch_sizes must differ, found {n_train} twice: it is the whole training set."
        )
    return sizes


def _optimizer(mu: float, nesterov: bool) -> str:
    if mu == 0:
        return SGD
    return NESTEROV if nesterov else HEAVY_BALL
