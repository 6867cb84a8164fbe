"""mstudy: when, and why, momentum makes SGD faster. Each public name is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mstudy.probe.curvature_probe import CurvatureProbe
    from mstudy.runlog.recording.logger import RunLogger

__all__ = ["CurvatureProbe", "RunLogger"]


def __getattr__(name: str) -> Any:
    """Return a public name; its module is imported here, so that `import mstudy` stays light."""
    match name:
        case "CurvatureProbe":
            from mstudy.probe.curvature_probe import CurvatureProbe

            return CurvatureProbe
        case "RunLogger":
            from mstudy.runlog.recording.logger import RunLogger

            return RunLogger
        case _:
            raise AttributeError(f"module 'mstudy' has no attribute {name!r}")
