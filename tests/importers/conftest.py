"""Sources as the tools write them."""

import pytest
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import plan_import

FACTS = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0}


@pytest.fixture
def imported():
    """Plan an import, its facts given: imported(kind, source, **sections of the map) -> Plan."""

    def plan(kind, source, values=None, **sections):
        (wanted,) = [each for each in KINDS if each.name == kind]
        return plan_import(wanted, source, Mapping(values=FACTS if values is None else values, **sections))

    return plan


def columns(plan, name):
    """A run's columns as lists."""
    return {column: values.tolist() for column, values in plan.runs[name].columns.items()}
