"""Whole experiments with known truth: what the inference about events is measured by.

Three levels. *A cell* of pairs whose gap opens at a planted step in one of several shapes, or never, or closes again.
*Times*: tables of partings and sharpenings as a perfect detector with a stated error would write them. *Runs*: logs of
loss and curvature, from which both events have yet to be found.

Links between parting and sharpening of a pair, each around a typical step of its cell:
COMMON: one event. SHARED_CAUSE: independent given the cell. CONSTANT_LAG: one event, the parting later by a factor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from mstudy.core.optimizers import HEAVY_BALL, SGD
from mstudy.core.statuses import Ahead, BranchTime, PartingStatus, RunStatus, SharpeningStatus
from mstudy.core.theory import equivalent_sgd_step
from mstudy.pairs.gap import LossCurve, Pair
from mstudy.runlog.reading.reader import POINTS_SCHEMA
from mstudy.tables.contracts import INTERVENTIONS, OPENINGS, PARTINGS, RUNS, SHARPENING_EVENTS, SHARPENINGS
from numpy.typing import NDArray

from benchmarks.error_rates.moments import lasting_moments

Series = NDArray[np.float64]
COMMON, SHARED_CAUSE, CONSTANT_LAG = "common", "shared_cause", "constant_lag"
HINGE, SATURATING, QUADRATIC, CUBIC, STEP, CAPPED, NEVER, TRANSIENT = (
    "hinge",
    "saturating",
    "quadratic",
    "cubic",
    "step",
    "capped",
    "never",
    "transient",
)
OPENING = (HINGE, SATURATING, QUADRATIC, CUBIC, STEP, CAPPED)
STEPS = 1600
_SETTING = {"study": "planted", "model": "m", "dataset": "d", "objective": "o"}


def cadence(steps: int = STEPS, dense: int = 60, growth: float = 0.04) -> NDArray[np.int64]:
    """Logged steps: each of the first, then at gaps that grow, as in params.yaml."""
    found = list(range(dense))
    while found[-1] < steps:
        found.append(found[-1] + max(1, round(growth * found[-1])))
    return np.array(found[:-1])


def ar1(n: int, sigma: float, phi: float, rng: np.random.Generator) -> Series:
    """A stationary autoregression, (n,), with standard deviation sigma."""
    noise = rng.normal(0, sigma, n)
    for k in range(1, n):
        noise[k] = phi * noise[k - 1] + (1 - phi**2) ** 0.5 * noise[k]
    return noise


@dataclass(frozen=True)
class CellTruth:
    """A cell's pairs. typical: median step of parting over seeds; spread: sd of its logarithm over seeds.

    sigma, phi: noise of each log loss, at one logged point. offset: sd over seeds of a gap that is there throughout.
    """

    shape: str = HINGE
    typical: float = 200.0
    spread: float = 0.15
    height: float = 0.3
    sigma: float = 0.01
    phi: float = 0.5
    offset: float = 0.005
    n_seeds: int = 5
    momentum: float = 0.9


def gap_of(shape: str, steps: Series, onset: float, height: float) -> Series:
    """The planted gap at each step, (n,); `height` is reached, or nearly, at the last step."""
    elapsed = np.maximum(steps - onset, 0.0)
    whole = steps[-1] - onset
    match shape:
        case "hinge":
            return height * elapsed / whole
        case "saturating":
            return -height * np.expm1(-4 * elapsed / whole)
        case "quadratic":
            return height * (elapsed / whole) ** 2
        case "cubic":
            return height * (elapsed / whole) ** 3
        case "step":
            return -height * np.expm1(-elapsed / (0.1 * onset))
        case "capped":
            return height * np.minimum(elapsed / (0.3 * whole), 1.0)
        case "transient":
            return height * np.where(elapsed > 0, np.exp(-0.5 * ((steps - 1.6 * onset) / (0.25 * onset)) ** 2), 0.0)
        case _:
            return np.zeros_like(steps)


def draw_cell(truth: CellTruth, rng: np.random.Generator) -> tuple[list[Pair], Series]:
    """Pairs of one cell, and the planted step of each, (n_seeds,)."""
    onsets = truth.typical * np.exp(rng.normal(0, truth.spread, truth.n_seeds))
    return [draw_pair(truth, onset, rng) for onset in onsets], onsets


def draw_pair(truth: CellTruth, onset: float, rng: np.random.Generator) -> Pair:
    """SGD falls behind by the planted gap from `onset` on; SGDM trails by its lag."""
    steps = cadence()
    clock = steps.astype(np.float64)
    gap = gap_of(truth.shape, clock, onset, truth.height) + rng.normal(0, truth.offset)
    noise = [ar1(len(steps), truth.sigma, truth.phi, rng) for _ in range(2)]
    sgd = _base(clock) + gap + noise[0]
    sgdm = _base(equivalent_sgd_step(clock, HEAVY_BALL, truth.momentum)) + noise[1]
    return Pair(LossCurve(steps, np.exp(sgd), None), LossCurve(steps, np.exp(sgdm), None))


def _base(clock: Series) -> Series:
    """Log loss of both optimizers, by steps of SGD."""
    return -np.log1p(clock / 50)


@dataclass(frozen=True)
class Coincidence:
    """An experiment on C4. spread: sd over seeds of the log time of an event; error: of the estimate of each.

    passing: events before the lasting one that pass again, at least and at most; of one event both series have as many.
    missed: share of the passing ones that is not seen, in either series by itself.
    """

    link: str = COMMON
    n_cells: int = 6
    n_seeds: int = 5
    spread: float = 0.15
    error: float = 0.03
    lag: float = 1.3  # of CONSTANT_LAG
    momenta: tuple[float, ...] = (0.9,)
    diverged_share: float = 0.1  # of the pairs: SGD diverges, which is its parting
    passing: tuple[int, int] = (0, 0)
    missed: float = 0.0


Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def draw_times(truth: Coincidence, rng: np.random.Generator) -> Tables:
    """tables.PARTINGS, SHARPENINGS, OPENINGS and SHARPENING_EVENTS of an experiment."""
    partings, sharpenings = [], []
    for cell, seed, own, apart in _events(truth, rng):
        run = f"{cell}-{seed}"
        sharp = own * np.exp(rng.normal(0, truth.error))
        around = _interval(sharp, truth.error)
        detected = {"status": SharpeningStatus.DETECTED, "followup_step": float(STEPS)}
        sharpenings.append({"run_id": run, **detected, **around})
        for momentum in truth.momenta:
            time = apart * np.exp(rng.normal(0, truth.error))
            key = _cell_key(cell) | {"optimizer": HEAVY_BALL, "momentum": momentum, "seed": seed}
            status = PartingStatus.SGD_DIVERGED if rng.random() < truth.diverged_share else PartingStatus.PARTED
            ids = {"sgd_run_id": run, "sgdm_run_id": f"{run}-{momentum}"}
            partings.append(key | ids | {"status": status, "ahead": Ahead.SGDM, **_interval(time, truth.error)})
    tables = PARTINGS.frame(partings), SHARPENINGS.frame(sharpenings)
    openings, events = lasting_moments(*tables)
    if truth.passing[1] > 0:
        openings, events = _with_passing(openings, events, truth, rng)
    return *tables, openings, events


def _with_passing(
    openings: pl.DataFrame, events: pl.DataFrame, truth: Coincidence, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add moments that pass before each lasting one, at shares of its cell's typical step, spread over seeds."""
    more_openings, more_events = [], []
    typical = dict(openings.group_by("eta_ef").agg(pl.col("step").log().mean().exp()).rows())
    for event in events.rows(named=True):
        pairs = openings.filter(sgd_run_id=event["run_id"]).rows(named=True)
        rises, opens = _passing_steps(typical[pairs[0]["eta_ef"]], truth, rng)
        more_events += _numbered(event, "fall_step", rises, truth, rng)
        for pair in pairs:
            more_openings += _numbered(pair, "close_step", opens, truth, rng)
    return OPENINGS.frame(more_openings), SHARPENING_EVENTS.frame(more_events)


def _passing_steps(cell: float, truth: Coincidence, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """True steps of the passing rises and of the passing openings of one run, in order."""

    def drawn() -> list[float]:
        count = int(rng.integers(truth.passing[0], truth.passing[1] + 1))
        shares = np.linspace(0.25, 0.5, count) if count > 1 else np.full(count, 0.4)
        return sorted(cell * share * float(np.exp(rng.normal(0, truth.spread))) for share in shares)

    rises, others = drawn(), drawn()
    return rises, {COMMON: rises, SHARED_CAUSE: others, CONSTANT_LAG: [truth.lag * step for step in rises]}[truth.link]


def _numbered(
    last: dict[str, object], back: str, steps: list[float], truth: Coincidence, rng: np.random.Generator
) -> list[dict[str, object]]:
    """Rows of the passing moments that are seen, and the last one, in order of time."""
    seen = [step * float(np.exp(rng.normal(0, truth.error))) for step in steps if rng.random() >= truth.missed]
    rows = [last | _interval(step, truth.error) | {back: 1.05 * step} for step in sorted(seen)]
    return [row | {"index": index} for index, row in enumerate([*rows, last])]


def _events(truth: Coincidence, rng: np.random.Generator) -> list[tuple[int, int, float, float]]:
    """(cell, seed, step of sharpening, step of parting) of every pair."""
    found = []
    # A cell's typical step follows its learning rate, and something else that both events share.
    typical = np.exp(np.linspace(np.log(700), np.log(120), truth.n_cells) + rng.normal(0, 0.3, truth.n_cells))
    for cell in range(truth.n_cells):
        for seed in range(truth.n_seeds):
            own, other = typical[cell] * np.exp(rng.normal(0, truth.spread, 2))
            apart = {COMMON: own, SHARED_CAUSE: other, CONSTANT_LAG: truth.lag * own}[truth.link]
            found.append((cell, seed, float(own), float(apart)))
    return found


def _interval(step: float, error: float) -> dict[str, float]:
    reach = np.exp(1.96 * error)
    return {"step": step, "step_low": step / reach, "step_high": step * reach}


def _cell_key(cell: int) -> dict[str, object]:
    return _SETTING | {"batch_size": 64, "eta_ef": round(0.05 * 2 ** (cell / 2), 6)}


@dataclass(frozen=True)
class Logs:
    """runs: tables.RUNS. points: one row a logged step (runlog.reader.POINTS_SCHEMA)."""

    runs: pl.DataFrame
    points: pl.DataFrame


def draw_coincidence_runs(truth: Coincidence, rng: np.random.Generator) -> Logs:
    """Logs of an experiment: SGD's curvature jumps at its sharpening, its loss falls behind from the parting on."""
    runs, points = [], []
    shapes = [HINGE, SATURATING, QUADRATIC, STEP, CAPPED]
    events = _events(replace(truth, diverged_share=0.0), rng)
    typical = {
        cell: float(np.exp(np.mean([np.log(own) for c, _, own, _ in events if c == cell]))) for cell, *_ in events
    }
    for cell, seed, own, apart in events:
        shape = shapes[cell % len(shapes)]
        # By the cell's typical step: by the run's own, passing rises and openings would be linked in every truth.
        rises, opens = _passing_steps(typical[cell], truth, rng) if truth.passing[1] > 0 else ([], [])
        for momentum in (0.0, *truth.momenta):
            about = CellTruth(shape=shape, momentum=momentum or 0.9)
            pair = draw_pair(about, apart, rng)
            curve = pair.sgdm if momentum else _with_bumps(pair.sgd, opens)
            jump = np.log(30.0) if momentum == 0 else 0.0
            curvature = _curvature(curve.steps, own, jump, rng) * np.exp(jump * _bumps(curve.steps, rises))
            run, rows = _log(cell, seed, momentum, curve, curvature)
            runs.append(run)
            points.append(rows)
    return Logs(RUNS.frame(runs), pl.concat(points))


def _bumps(steps: NDArray[np.int64], rises: list[float]) -> Series:
    """Rises to 1 within 5 % of their steps that are gone when a quarter more has passed."""
    clock = steps.astype(np.float64)
    bumps = [
        np.clip((clock - 0.975 * at) / (0.05 * at), 0.0, 1.0) * np.clip((1.3 * at - clock) / (0.05 * at), 0.0, 1.0)
        for at in rises
    ]
    return np.max(bumps, axis=0) if bumps else np.zeros(len(steps))


def _with_bumps(curve: LossCurve, opens: list[float]) -> LossCurve:
    """The loss is higher by 0.3 in log while a passing opening lasts."""
    return replace(curve, loss=curve.loss * np.exp(0.3 * _bumps(curve.steps, opens)))


def _curvature(steps: NDArray[np.int64], at: float, jump: float, rng: np.random.Generator) -> Series:
    """Progressive sharpening by a factor 3, a jump by exp(jump) within 5 % of its step, noise."""
    clock = steps.astype(np.float64)
    rise = jump * np.clip((clock - 0.975 * at) / (0.05 * at), 0.0, 1.0)
    return np.exp(np.log(3.0) * clock / clock[-1] + rise + ar1(len(steps), 0.2, 0.5, rng))


def _log(
    cell: int, seed: int, momentum: float, curve: LossCurve, curvature: Series
) -> tuple[dict[str, object], pl.DataFrame]:
    run = _run_row(cell, seed, momentum, None) | {"n_points": len(curve.steps)}
    rows = pl.DataFrame({"step": curve.steps, "loss": curve.loss, "directional_curvature": curvature})
    absent = [pl.lit(None, kind).alias(name) for name, kind in POINTS_SCHEMA.items() if name not in rows.columns]
    rows = rows.with_columns(absent).select(POINTS_SCHEMA.names())
    return run, rows.select(pl.lit(run["run_id"]).alias("run_id"), pl.all())


def _run_row(cell: int, seed: int, momentum: float, diverged: float | None) -> dict[str, object]:
    key = _cell_key(cell)
    eta_ef = float(str(key["eta_ef"]))
    return key | {
        "run_id": f"{cell}-{seed}-{momentum:g}",
        "optimizer": HEAVY_BALL if momentum else SGD,
        "momentum": momentum,
        "learning_rate": eta_ef * (1 - momentum),
        "seed": seed,
        "eta_ef_per_sample": eta_ef / 64,
        "status": RunStatus.COMPLETED if diverged is None else RunStatus.DIVERGED,
        "diverged_step": None if diverged is None else int(diverged),
        "last_step": STEPS if diverged is None else int(diverged),
        "final_loss": 0.1 if diverged is None else None,
    }


@dataclass(frozen=True)
class Deferral:
    """An experiment on C5. Times: cell x frailty of the pair x own, all log-normal or Weibull; then censored.

    factor: SGDM's times are longer by it. prevented: share of SGDM runs that never have the event; absent: of all
    runs. frailty: sd of the pair's log time; shape: of each run's own Weibull (5: sd 0.26 in log time). diverging:
    share of (SGD, SGDM) runs that diverge at a random step, which ends their follow-up.
    """

    factor: float = 1.0
    n_cells: int = 6
    n_seeds: int = 5
    frailty: float = 0.3
    shape: float = 5.0
    prevented: float = 0.0
    absent: float = 0.0
    diverging: tuple[float, float] = (0.1, 0.1)
    followup: float = 1200.0
    momentum: float = 0.9


def draw_survival(truth: Deferral, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """tables.RUNS and tables.SHARPENINGS of an experiment."""
    runs, sharpenings = [], []
    grid = cadence()
    typical = np.exp(np.linspace(np.log(150), np.log(700), truth.n_cells))
    for cell in range(truth.n_cells):
        for seed in range(truth.n_seeds):
            frailty = np.exp(rng.normal(0, truth.frailty))
            for side, momentum in enumerate((0.0, truth.momentum)):
                time = typical[cell] * frailty * rng.weibull(truth.shape) * (truth.factor if side else 1.0)
                if rng.random() < truth.absent or (side and rng.random() < truth.prevented):
                    time = np.inf
                gone = rng.uniform(20, STEPS) if rng.random() < truth.diverging[side] else None
                run = _run_row(cell, seed, momentum, gone)
                runs.append(run)
                sharpenings.append({"run_id": run["run_id"], **_seen(time, gone, truth.followup, grid)})
    return RUNS.frame(runs), SHARPENINGS.frame(sharpenings)


def _seen(time: float, gone: float | None, followup: float, grid: NDArray[np.int64]) -> dict[str, object]:
    """What a detector would write of a run with its event at `time`, known to the logging grid."""
    end = followup if gone is None else min(gone, followup)
    if time > end:
        return {"status": SharpeningStatus.NONE, "followup_step": end}
    logged = float(grid[min(int(np.searchsorted(grid, time)), len(grid) - 1)])
    return {"status": SharpeningStatus.DETECTED, "step": min(logged, end), "followup_step": end}


@dataclass(frozen=True)
class Intervened:
    """An experiment on C8. parent: mean final gap of the runs left alone; branches: of those of each kind.

    between, within: sd of a gap over blocks, and over the seeds of one. removed: share of the branches that lose the
    sharpening; the others keep their parent's gap. anyway: the part of a gap that treatments take at a control time
    too, where the pair has no gap; None without controls. by_momentum: whether the branches go on with momentum.
    """

    parent: float = 0.5
    branches: tuple[float, ...] = (0.0,)
    n_blocks: int = 6
    n_seeds: int = 5
    between: float = 0.02
    within: float = 0.03
    removed: float = 1.0
    anyway: float | None = 0.0
    by_momentum: bool = False


def draw_interventions(truth: Intervened, rng: np.random.Generator) -> pl.DataFrame:
    """tables.INTERVENTIONS of an experiment."""
    rows = []
    apart = rng.spawn(1)[0]  # controls change no other draw
    for block in range(truth.n_blocks):
        left_alone = truth.parent + rng.normal(0, truth.between)
        of_kinds = truth.branches + rng.normal(0, truth.between, len(truth.branches))
        for seed in range(truth.n_seeds):
            parent = left_alone + rng.normal(0, truth.within)
            for kind, mean in enumerate(of_kinds):
                removed = rng.random() < truth.removed
                branch = mean + rng.normal(0, truth.within) if removed else parent
                key = _cell_key(block) | {"optimizer": HEAVY_BALL, "momentum": 0.9, "seed": seed}
                names = {"sgd_run_id": f"{block}-{seed}", "branch_run_id": f"{block}-{seed}-{kind}"}
                about = {"intervention": str(kind), "by_momentum": truth.by_momentum, "of_sgdm": False}
                events = {"sharpened_parent": True, "sharpened_branch": not removed}
                gaps = {"gap_parent": parent, "gap_branch": branch}
                rows.append(key | names | about | events | gaps | {"intervention_at": BranchTime.SHARPENING})
                if truth.anyway is not None:
                    names["branch_run_id"] += "-control"
                    events = {"sharpened_parent": False, "sharpened_branch": False}
                    before = apart.normal(0, truth.within)
                    gaps = {"gap_parent": before, "gap_branch": before - truth.anyway - apart.normal(0, truth.within)}
                    rows.append(key | names | about | events | gaps | {"intervention_at": BranchTime.CONTROL})
    return INTERVENTIONS.frame(rows)
