"""A pytest plugin: writes which test runs which lines of the library, for how long, and if it starts processes.

Lines that a fixture runs once for many tests are noted under the folder or file of these tests.
"""

from __future__ import annotations

import json
import multiprocessing.process
import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import coverage
import pytest

PLACE = "MUTANTS_RECORD"  # environment variable: the file to write
LIBRARY = Path("pipeline") / "mstudy"


class _Recording:
    def __init__(self, target: Path) -> None:
        self._target = target
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=[str(LIBRARY.resolve() / "*")])
        self._contexts = [""]
        self._seconds: dict[str, float] = {}
        self._failed: list[str] = []
        self._with_processes: set[str] = set()
        self._coverage.start()
        sys.addaudithook(self._audit)
        start = multiprocessing.process.BaseProcess.start
        multiprocessing.process.BaseProcess.start = self._noting(start)  # type: ignore[method-assign]

    def _audit(self, event: str, _: object) -> None:
        if event in ("subprocess.Popen", "os.fork", "os.posix_spawn"):
            self._with_processes.add(self._contexts[-1])

    def _noting(self, start: Any) -> Any:
        def noting(process: Any) -> None:
            self._with_processes.add(self._contexts[-1])
            start(process)

        return noting

    def _enter(self, context: str) -> None:
        self._contexts.append(context)
        self._coverage.switch_context(context)

    def _leave(self) -> None:
        self._contexts.pop()
        self._coverage.switch_context(self._contexts[-1])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what runs from here under the test."""
        began = time.monotonic()
        self._enter(item.nodeid)
        try:
            return (yield)
        finally:
            self._leave()
            self._seconds[item.nodeid] = time.monotonic() - began

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, object, object]:
        """Note what a shared fixture runs under the folder or file of its tests."""
        if fixturedef.scope == "function":
            return (yield)
        self._enter(fixturedef.baseid)
        try:
            return (yield)
        finally:
            self._leave()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that fails without any change."""
        if report.failed:
            self._failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write everything."""
        self._coverage.stop()
        data = self._coverage.get_data()
        library = LIBRARY.resolve()
        lines = {Path(f).relative_to(library).as_posix(): data.contexts_by_lineno(f) for f in data.measured_files()}
        result = {"lines": lines, "seconds": self._seconds, "failed": self._failed}
        self._target.write_text(json.dumps(result | {"with_processes": sorted(self._with_processes - {""})}))


def pytest_configure(config: pytest.Config) -> None:
    """Begin before any test module is imported."""
    config.pluginmanager.register(_Recording(Path(os.environ[PLACE])))
