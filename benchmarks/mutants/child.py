"""A pytest run in a forked child: the large libraries are imported once, not in each of hundreds of runs."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
import traceback
import types
from pathlib import Path

import pytest

# Of the large ones those that start no threads when they are imported: a fork would lose them.
_LIBRARIES = ("numpy", "scipy.stats", "torch", "altair", "ruptures")
OUTPUT = "output.txt"  # what a run printed, in the copy
_POLL_SECONDS = 0.02
_CRASHED = 99
_QUIET = ("-q", "-p", "no:cacheprovider")


def import_libraries() -> None:
    """Import what does not change."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in _LIBRARIES:
        importlib.import_module(name)


def run_pytest(
    copy: Path, plugin: types.ModuleType, arguments: list[str], environment: dict[str, str], limit: float
) -> int | None:
    """Return pytest's exit code in the copy; None where it took longer than the limit. Nothing is left running."""
    child = os.fork()
    if child == 0:
        code = _CRASHED
        try:
            _move_to(copy, environment)
            code = int(pytest.main([*_QUIET, *arguments], plugins=[plugin]))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    try:
        return _wait(child, time.monotonic() + limit)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def _move_to(copy: Path, environment: dict[str, str]) -> None:
    """Make this process one that was started in the copy, and import from there alone."""
    os.setsid()
    os.chdir(copy)
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, OUTPUT, os.O_WRONLY | os.O_CREAT)):
        os.dup2(os.open(path, flags | os.O_TRUNC), descriptor)
    os.dup2(1, 2)
    own = [str(copy / "pipeline"), str(copy)]
    os.environ |= environment | {"PYTHONPATH": os.pathsep.join(own)}
    started_in = str(Path(__file__).parents[2])
    started_as = __name__.partition(".")[0]
    sys.path[:] = [*own, *(path for path in sys.path if path not in ("", started_in))]
    for name in [name for name in sys.modules if name.partition(".")[0] == started_as]:
        del sys.modules[name]  # the copy has its own
    sys.modules["__main__"] = types.ModuleType("__main__")  # workers would import the original's again


def _wait(child: int, until: float) -> int | None:
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_POLL_SECONDS)
