"""Settings: runs are compared, and therefore drawn together, within one setting only."""

from __future__ import annotations

import polars as pl

from mstudy.tables import SETTING

Setting = tuple[str | None, ...]


def settings_of(frame: pl.DataFrame) -> list[Setting]:
    """The settings of a table, sorted."""
    return frame.select(SETTING).unique().sort(SETTING).rows()


def of_setting(frame: pl.DataFrame, setting: Setting) -> pl.DataFrame:
    """The rows of one setting."""
    return frame.filter(*(pl.col(key).eq_missing(pl.lit(value)) for key, value in zip(SETTING, setting, strict=True)))


def label(setting: Setting) -> str:
    """study: model on dataset, objective; parts that the logs do not name are left out."""
    study, model, dataset, objective = (value or "" for value in setting)
    trained = " on ".join(filter(None, [model, dataset]))
    described = ", ".join(filter(None, [trained, objective.replace("_", " ")]))
    return ": ".join(filter(None, [study, described])) or "unnamed setting"
