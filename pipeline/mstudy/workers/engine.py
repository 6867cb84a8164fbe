"""The processes of an analysis, by the engine that is asked for."""

from __future__ import annotations

from mstudy.core.engines.engine_params import LOCAL, RAY, Engine, of_analysis
from mstudy.workers.on_ray import RayExecutor
from mstudy.workers.ordered import Workers
from mstudy.workers.surroundings import available_cores


def workers_of(engine: Engine, count: int | None) -> Workers:
    """Return what an analysis works with. count: processes, or tasks of Ray at a time; None: all there is room for."""
    own = of_analysis(engine)
    if own.kind == LOCAL:
        return Workers(count or available_cores())
    if own.kind == RAY:
        return Workers(executor=RayExecutor(own.ray, count))
    raise AssertionError(f"an engine is checked when it is read, found {own.kind}")
