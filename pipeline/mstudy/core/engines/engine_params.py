"""Where units of work are done. It decides no result, so it is part of no digest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mstudy.core.errors import ConfigError, require, shown

LOCAL, RAY, SLURM = "local", "ray", "slurm"
ENGINES = (LOCAL, RAY, SLURM)
MAX_JOBS = 100_000
MAX_MINUTES = 60 * 24 * 365
MAX_GPUS = 64  # of a node


@dataclass(frozen=True)
class Slurm:
    """What each job of an array asks for.

    gpus: of a job, 0 trains on its processor. ensembles: trained in one job. at_a_time: jobs that may run at once.
    sbatch: further options of sbatch without their dashes.
    """

    minutes: int = 240
    gpus: int = 0
    ensembles: int = 4
    at_a_time: int = 100
    sbatch: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(1 <= self.minutes <= MAX_MINUTES, "minutes", self.minutes, f"from 1 to {MAX_MINUTES}")
        require(0 <= self.gpus <= MAX_GPUS, "gpus", self.gpus, f"from 0 to {MAX_GPUS}")
        require(1 <= self.ensembles <= MAX_JOBS, "ensembles", self.ensembles, f"from 1 to {MAX_JOBS}")
        require(1 <= self.at_a_time <= MAX_JOBS, "at_a_time", self.at_a_time, f"from 1 to {MAX_JOBS}")


@dataclass(frozen=True)
class Ray:
    """Which cluster works, and how much of a GPU an ensemble takes. address: None starts Ray on this machine."""

    address: str | None = None
    gpu_share: float = 1.0

    def __post_init__(self) -> None:
        require(0 < self.gpu_share <= 1, "gpu_share", self.gpu_share, "above 0 and at most 1")


@dataclass(frozen=True)
class Engine:
    """Where the work of a sweep and of an analysis is done."""

    kind: str = LOCAL
    ray: Ray = field(default_factory=Ray)
    slurm: Slurm = field(default_factory=Slurm)

    def __post_init__(self) -> None:
        require(self.kind in ENGINES, "kind", self.kind, f"one of {', '.join(ENGINES)}")


HERE = Engine()


def chosen(engine: Engine, kind: str | None, address: str | None) -> Engine:
    """Return the engine of the parameters with what --engine and --address say instead, where they are given."""
    if kind is not None and kind not in ENGINES:
        raise ConfigError(f"--engine must be one of {', '.join(ENGINES)}, found {shown(kind)}.")
    new = replace(engine, kind=kind or engine.kind)
    if address is not None and new.kind != RAY:
        raise ConfigError(f"--address must be given with --engine ray, found the engine {new.kind}.")
    return new if address is None else replace(new, ray=replace(new.ray, address=address))


def chosen_for_analysis(engine: Engine, kind: str | None, address: str | None, shard: str | None) -> Engine:
    """Return the engine of an analysis: where the parameters say slurm, which trains, this machine."""
    if kind == SLURM:
        raise ConfigError(
            "--engine must be local or ray for an analysis, found slurm; as a job array use --shard, see "
            "docs/scaling.md."
        )
    new = chosen(of_analysis(engine), kind, address)
    if shard is not None and new.kind != LOCAL:
        raise ConfigError(f"--shard must be given with --engine local, found the engine {new.kind}.")
    return new


def of_analysis(engine: Engine) -> Engine:
    """Return what an analysis takes of the parameters' engine: SLURM only trains."""
    return replace(engine, kind=LOCAL) if engine.kind == SLURM else engine
