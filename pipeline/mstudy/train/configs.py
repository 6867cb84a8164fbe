"""From a study to its runs: one frozen configuration a run, and the hash that recognises it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from mstudy.core.branching.treatments import Rule
from mstudy.core.errors import ConfigError
from mstudy.core.optimizers import SGD
from mstudy.core.params import FULL, Cadence, Init, Study
from mstudy.core.quantities import BATCH_SHARPNESS, DIRECTIONAL_CURVATURE, EDGE_RATIO, SHARPNESS
from mstudy.core.statuses import TwinKind
from mstudy.core.study_params import DEFAULT_INIT
from mstudy.core.theory import learning_rate_at
from mstudy.data.dataset import Dataset
from mstudy.models.families import FAMILY, Family, parse
from mstudy.runlog.format.schema import SCHEMA_VERSION
from mstudy.train.branching import Branching

# Raise this when the numbers that training writes change: every run is then trained anew.
TRAINING_VERSION = 6
NO_MORE: Mapping[tuple[int, float], int] = MappingProxyType({})


@dataclass(frozen=True)
class RunConfig:
    """All that determines the numbers of one run.

    branching: None unless the run is a branch; the other fields are then those of its parent. twin: None unless the run
    repeats another; the other fields are then those of that run.
    """

    study: str
    dataset: str
    n_train: int
    model: str
    objective: str
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    warmup_steps: int
    batch_size: int
    seed: int
    steps: int
    divergence_factor: float
    probe_samples: int
    chunk: int
    cadence: Cadence
    init: Init = DEFAULT_INIT
    branching: Branching | None = None
    twin: TwinKind | None = None

    @cached_property
    def run_id(self) -> str:
        """First hex digits of the SHA-256 of the configuration and the training code's version.

        16, and 32 where the data set is a file from outside, "@" in its name: nobody can make two files share 128 bits.
        """
        return digest([SCHEMA_VERSION, TRAINING_VERSION, self._content()], 32 if "@" in self.dataset else 16)

    @property
    def full_batch(self) -> bool:
        """Whether each step sees the whole training set."""
        return self.batch_size == self.n_train

    def rule_at(self, step: int) -> Rule:
        """Return what is in force at a step."""
        if self.branching is not None and self.branching.treats(step):
            return self.branching.rule
        return self.own_rule

    @property
    def own_rule(self) -> Rule:
        """What is in force but for a branching."""
        return Rule(self.optimizer, self.learning_rate, self.momentum)

    @property
    def n_updates(self) -> int:
        """Updates of the whole run; those of a branch that went slower for a while are more than its parent's."""
        return self.steps + (0 if self.branching is None else self.branching.extra_steps)

    def metadata(self) -> dict[str, Any]:
        """Return the part of the log's metadata that describes the run."""
        about = self._content()
        if self.branching is not None:
            about["branch_of"] = replace(self, branching=None).run_id
            about["intervention"] = self.branching.intervention(self.own_rule)
            del about["branching"]
        if self.twin is not None:
            about |= {"twin_of": replace(self, twin=None).run_id, "twin_kind": about.pop("twin")}
        return {"schema": SCHEMA_VERSION, "run_id": self.run_id, **about, "training_version": TRAINING_VERSION}

    def _content(self) -> dict[str, Any]:
        """Return the configuration as JSON can hold it, so that run ids of earlier versions stay.

        A field that has the one value of the time before it could be chosen is left out.
        """
        branching = None if self.branching is None else self.branching.content()
        about = asdict(self) | {"cadence": _cadence_content(self.cadence), "branching": branching}
        unsaid = {"branching": None, "twin": None, "init": asdict(DEFAULT_INIT)}
        return {key: value for key, value in about.items() if key not in unsaid or value != unsaid[key]}


def _cadence_content(cadence: Cadence) -> dict[str, Any]:
    """Return the cadence in the form that earlier versions put into run ids, so that old runs keep their ids.

    Four quantities had keys of their own, and the edge ratio was true or false. A quantity that came later says
    something only where it is asked for: adding one to the list changes no run id.
    """
    every = dict(cadence.every)
    about = {key: value for key, value in asdict(cadence).items() if key != "every"}
    about["curvature_every"] = every.pop(DIRECTIONAL_CURVATURE.name)
    about["sharpness_every"] = every.pop(SHARPNESS.name)
    about["batch_sharpness_every"] = every.pop(BATCH_SHARPNESS.name)
    edge_ratio = every.pop(EDGE_RATIO.name)
    about["edge_ratio"] = {0: False, 1: True}.get(edge_ratio, edge_ratio)
    return about | {f"{name}_every": n for name, n in every.items() if n}


def digest(content: object, n_digits: int = 16) -> str:
    """Return the first hex digits of the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:n_digits]


def family_of(name: str, study: Study) -> Family:
    """Return the family of the study's model. Raises ConfigError where the model is not known."""
    try:
        return FAMILY[parse(study.model).family]
    except ConfigError as error:
        raise ConfigError(f"studies.{name}.{error}") from None


def plan_runs(
    name: str, study: Study, data: Dataset, more: Mapping[tuple[int, float], int] = NO_MORE
) -> list[RunConfig]:
    """Return every run of a study, ordered by batch size, eta_ef, momentum, seed; then branches and twins of its SGD
    runs.

    more: the seeds of each line, (batch size, momentum), that has more than the study's; SGD, the partner of them all,
    has as many as the line with most.

    At equal effective learning rate eta_ef = learning_rate / (1 - momentum). Raises ConfigError when the model is not
    known, or the data set is smaller than the study asks for, or not of the kind that its objective needs.
    """
    family = family_of(name, study)
    if study.objective == "cross_entropy" and not data.classification:
        raise ConfigError(
            f"studies.{name}.objective must be squared_error for the real targets of {data.name}, "
            f"found {study.objective!r}."
        )
    n_train = _at_most(name, "n_train", study.n_train, data.n_samples, f"the {data.n_samples} samples of {data.name}")
    probe_samples = _at_most(name, "probe_samples", study.probe_samples, n_train, f"n_train = {n_train}")
    runs = [
        RunConfig(
            study=name,
            dataset=data.name,
            n_train=n_train,
            model=study.model,
            objective=study.objective,
            optimizer=study.optimizer_at(mu),
            learning_rate=learning_rate_at(eta_ef, mu, study.optimizer_at(mu)),
            momentum=mu,
            weight_decay=study.weight_decay,
            warmup_steps=study.warmup_steps,
            batch_size=b,
            seed=seed,
            steps=study.steps,
            divergence_factor=study.divergence_factor,
            probe_samples=probe_samples,
            chunk=study.chunk or family.chunk,
            cadence=study.log,
            init=study.init,
        )
        for b in _batch_sizes(name, study, n_train)
        for eta_ef in study.eta_ef.values()
        for mu in study.momenta
        for seed in range(study.first_seed, study.first_seed + _n_seeds(study, more, b, mu))
    ]
    sgd = [run for run in runs if run.momentum == 0]
    return runs + [branch for run in sgd for branch in _branches(run, study, more)] + _twins(sgd, study)


def _n_seeds(study: Study, more: Mapping[tuple[int, float], int], batch_size: int, momentum: float) -> int:
    """Return the seeds of a line, or of the SGD runs of a batch size."""
    partners = [momentum] if momentum > 0 else study.momenta
    return max(study.seeds, *(more.get((batch_size, mu), 0) for mu in partners))


def _branches(run: RunConfig, study: Study, more: Mapping[tuple[int, float], int]) -> list[RunConfig]:
    """Return the SGD run continued with each momentum of the study from each of its branch steps on, at the same
    eta_ef; a momentum whose line has not this seed is left out.
    """
    ways = [
        Branching(step, Rule(optimizer, learning_rate_at(run.learning_rate, mu, optimizer), mu))
        for step in study.branch_steps
        for mu in study.momenta
        if mu > 0 and run.seed < study.first_seed + _n_seeds(study, more, run.batch_size, mu)
        for optimizer in (study.optimizer_at(mu),)
    ]
    return [replace(run, branching=way) for way in ways]


def _twins(runs: Sequence[RunConfig], study: Study) -> list[RunConfig]:
    """Return the twins of SGD runs: of the first seeds, at the middle learning rate, around which grids are laid.

    At full batch there is no order of batches.
    """
    middle = learning_rate_at(study.eta_ef.values()[study.eta_ef.points // 2], 0.0, SGD)
    chosen = [run for run in runs if run.learning_rate == middle and run.seed < study.first_seed + study.twins]
    return [
        replace(run, twin=kind)
        for run in chosen
        for kind in TwinKind
        if not (run.full_batch and kind == TwinKind.ORDER)
    ]


def _at_most(name: str, key: str, value: int | None, limit: int, what: str) -> int:
    if value is not None and value > limit:
        raise ConfigError(f"studies.{name}.{key} must be at most {what}, found {value}.")
    return value or limit


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
