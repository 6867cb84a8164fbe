"""Sources of every tool, damaged at random: a clean refusal or a table that is one, never a traceback or a hang.

Where a run is read, its steps increase and its losses are numbers that the damaged file can hold.
"""

import json

import numpy as np
import pytest
from mstudy.core.errors import MstudyError
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import plan_import

from tests.importers.written import PATTERN, WRITERS

pytest.importorskip("hypothesis", reason="hypothesis is not installed")

from tests.fuzz.mutations import damaged, fuzzed

FACTS = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0}
EPOCHS = ("keras", "yolo")


def mapping_for(kind, **more):
    values = FACTS | ({"steps_per_epoch": 98} if kind in EPOCHS else {}) | more
    return Mapping(values=values, patterns=(PATTERN,) if kind == "text" else ())


def check(kind, source):
    (wanted,) = [each for each in KINDS if each.name == kind]
    try:
        plan = plan_import(wanted, source, mapping_for(kind))
    except MstudyError as error:
        text = str(error)
        assert text and "\n" not in text and len(text) < 2000
        return
    assert json.dumps(plan.as_dict())
    for run in plan.runs.values():
        steps, losses = run.columns["step"], run.columns["loss"]
        assert (np.diff(steps) > 0).all() and steps[0] >= 0
        assert np.isfinite(losses).all()
        assert all(len(values) == len(steps) for values in run.columns.values())


@pytest.mark.parametrize("kind", WRITERS)
def test_a_damaged_source(kind, tmp_path):
    path = WRITERS[kind](tmp_path / "src")
    right = path.read_bytes()
    check(kind, tmp_path / "src")

    @fuzzed(200, content=damaged([right]))
    def damage(content):
        path.write_bytes(content)
        check(kind, tmp_path / "src")

    damage()


@pytest.mark.parametrize("kind", ["keras", "huggingface", "cockpit", "lightning"])
def test_damaged_settings(kind, tmp_path):
    """The file beside the log that says how it was trained."""
    path = WRITERS[kind](tmp_path / "src")
    names = {"keras": "training.json", "huggingface": "../training_args.json", "cockpit": "config.json"}
    beside = path.parent / names.get(kind, "hparams.yaml")

    @fuzzed(100, content=damaged([beside.read_bytes()]))
    def damage(content):
        beside.write_bytes(content)
        check(kind, tmp_path / "src")

    damage()
