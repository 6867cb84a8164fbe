"""mstudy: when, and why, momentum makes SGD faster. Each public name is loaded when it is first used.

Two public functions, `analyze` and `explain`, have the name of the module or package that they come from. The import
of a submodule sets it as an attribute of its package, which would hide the function; `_Package` prevents that.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mstudy.analysis_result import AnalysisResult
    from mstudy.analyze import analyze, read_logs
    from mstudy.core.errors import MstudyError
    from mstudy.core.theory import effective_rate, stability_line
    from mstudy.detect.sharpening import find_sharpening
    from mstudy.explain.run_explanation import explain
    from mstudy.probe.curvature_probe import CurvatureProbe
    from mstudy.runlog.recording.logger import RunLogger

__all__ = [
    "AnalysisResult",
    "CurvatureProbe",
    "MstudyError",
    "RunLogger",
    "analyze",
    "effective_rate",
    "explain",
    "find_sharpening",
    "read_logs",
    "stability_line",
]


def __getattr__(name: str) -> Any:
    """Return a public name; its module is imported here, so that `import mstudy` stays light."""
    match name:
        case "AnalysisResult":
            from mstudy.analysis_result import AnalysisResult

            return AnalysisResult
        case "CurvatureProbe":
            from mstudy.probe.curvature_probe import CurvatureProbe

            return CurvatureProbe
        case "MstudyError":
            from mstudy.core.errors import MstudyError

            return MstudyError
        case "RunLogger":
            from mstudy.runlog.recording.logger import RunLogger

            return RunLogger
        case "analyze":
            from mstudy.analyze import analyze

            return analyze
        case "effective_rate":
            from mstudy.core.theory import effective_rate

            return effective_rate
        case "explain":
            from mstudy.explain.run_explanation import explain

            return explain
        case "find_sharpening":
            from mstudy.detect.sharpening import find_sharpening

            return find_sharpening
        case "read_logs":
            from mstudy.analyze import read_logs

            return read_logs
        case "stability_line":
            from mstudy.core.theory import stability_line

            return stability_line
        case _:
            raise AttributeError(f"module 'mstudy' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return __all__


class _Package(ModuleType):
    """This package: a public name is never the submodule of that name."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in __all__ or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
