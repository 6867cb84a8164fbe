"""The list of quantities is complete: whatever names one is held to it."""

import re
from collections import Counter
from pathlib import Path

import pytest
from mstudy.core.errors import ConfigError
from mstudy.core.params import Cadence, Detect
from mstudy.core.quantities import (
    CHOSEN,
    MEASURED,
    MEASURED_COLUMNS,
    QUANTITIES,
    Samples,
)
from mstudy.curvature.measure import MEASURES, OfMiniBatches, OfTrainingSet
from mstudy.report.page.drawn_quantities import SHAPES
from mstudy.runlog.format.schema import COLUMNS, REQUIRED_COLUMNS

FORMAT = (Path(__file__).parents[2] / "docs/log-format.md").read_text()


def test_each_quantity_has_a_measure_or_says_that_training_does_not_measure_it():
    kinds = {Samples.TRAINING_SET: OfTrainingSet, Samples.MINI_BATCH: OfMiniBatches}

    assert set(MEASURES) == set(MEASURED)
    assert {q.name: type(MEASURES[q]) for q in MEASURED} == {q.name: kinds[q.samples] for q in MEASURED}
    assert {q.name for q in QUANTITIES if q not in MEASURES} == {"accuracy", "epoch"}
    assert [q.name for q in QUANTITIES if q not in MEASURES and q.every is not None] == []


def test_every_column_of_the_schema_belongs_to_one_quantity():
    owners = {column: [q.name for q in QUANTITIES if column in q.columns] for column in COLUMNS}

    assert owners.pop("step") == []  # counts the rows' updates; no quantity
    assert {column: names for column, names in owners.items() if len(names) != 1} == {}
    assert len(COLUMNS) == len(set(COLUMNS)) == 1 + sum(len(q.columns) for q in QUANTITIES)
    assert REQUIRED_COLUMNS == ("step", "loss")
    assert set(MEASURED_COLUMNS) <= set(COLUMNS)


def test_each_quantity_has_a_name_of_its_own_and_names_in_other_tools_for_each_column():
    assert len({q.name for q in QUANTITIES}) == len(QUANTITIES)
    assert [q.name for q in QUANTITIES if tuple(q.other_names) != q.columns] == []
    assert [q.name for q in QUANTITIES for names in q.other_names.values() if not names] == []
    assert [q.name for q in QUANTITIES if not (q.title and q.symbol)] == []


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_detection_accepts_the_detectable_ones(quantity):
    if not quantity.detectable:
        with pytest.raises(ConfigError, match=f"quantity must be .*, found '{quantity.name}'"):
            Detect(quantity=quantity.name)
        return
    assert Detect(quantity=quantity.name).quantity in quantity.columns


def test_a_study_chooses_how_often_the_ones_with_a_default_are_measured():
    assert list(Cadence().every) == [q.name for q in CHOSEN]
    assert [q.name for q in CHOSEN if Cadence(every={q.name: 5}).interval(q) != 5] == []
    assert {Cadence().interval(q) for q in MEASURED if q not in CHOSEN} == {1}
    assert {Cadence().interval(q) for q in QUANTITIES if q not in MEASURED} == {0}


def test_a_panel_has_a_mark_for_each_of_its_quantities():
    panels = Counter(q.panel for q in QUANTITIES if q.panel is not None)

    assert {panel: n for panel, n in panels.items() if n > 1 + len(SHAPES)} == {}
    assert set(panels).isdisjoint({"gap", "events"})  # the page's own
    assert [q.name for q in QUANTITIES if q.panel is not None and q.name not in q.columns] == []


def test_each_column_has_a_row_in_the_log_format():
    rows = re.findall(r"^\| (`.*?) \|", FORMAT, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}

    assert [column for column in COLUMNS if column not in named] == []
