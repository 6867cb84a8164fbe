"""The contracts of tables: documents are printed from them, and dvc.yaml lists what each stage writes."""

from pathlib import Path

import polars as pl
import pytest
import yaml
from mstudy.tables import table_list
from mstudy.tables.contracts import TABLES

ROOT = Path(__file__).parents[2]


def test_each_name_is_one_table():
    assert len({table.name for table in TABLES}) == len(TABLES)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_says_what_it_means(table):
    assert set(table.key) <= set(table.columns)
    assert [name for name, column in table.columns.items() if len(column.meaning) < 4] == []
    assert table.schema == pl.Schema({name: column.type for name, column in table.columns.items()})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_stage_that_writes_a_table_lists_it(table):
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    writers = [
        name for name, stage in stages.items() if f"reports/results/{table.name}.parquet" in stage.get("outs", ())
    ]

    assert writers == [table.stage]


def test_the_document_is_printed_from_the_contracts():
    assert (ROOT / "docs" / "tables.md").read_text() == table_list.as_document()
