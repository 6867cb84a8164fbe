"""A pytest plugin: runs the listed tests only, in their order, and writes which one failed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

PLACE = "MUTANTS_SELECT"  # environment variable: a file with the list; the first failure is written beside it
FAILURE = ".failed"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the listed tests. It is called last, so that the order stands."""
    order = {name: k for k, name in enumerate(json.loads(Path(os.environ[PLACE]).read_text()))}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in order])
    items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])


pytest_collection_modifyitems = pytest.hookimpl(trylast=True)(pytest_collection_modifyitems)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write the name of a test that failed."""
    if report.failed:
        Path(os.environ[PLACE] + FAILURE).write_text(report.nodeid)
