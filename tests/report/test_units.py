"""The page's bounds of the units that the filter leaves, against closed testing in Python."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Analysis
from mstudy.estimate.claims.at_least import UnitWords, bound_units, sure_units, units_frame
from mstudy.report.page.render import render_report
from mstudy.report.page.units import units_data

from tests.report.chromium import Page, needs_chromium
from tests.report.conftest import SETTING
from tests.report.test_browser import twin

STUDIES = ("again", "tiny")  # in the order of the page
LEVEL, ALPHA = 0.03, 0.05
CLAIMS = ("C1", "C2", "C3", "C4")  # of the made-up study; each gets units here
# How many of a claim's units hold, and how many contradict.
SHARES = np.array([[0.9, 0.1], [0.5, 0.3], [0.2, 0.6], [0.7, 0.0]])


@pytest.fixture(scope="module")
def units():
    """Of each claim six units in each of eight parts, with ties, and p-values at which h times p is a limit itself."""
    rng = np.random.default_rng(3)
    keys = product(STUDIES, (16, 64), (0.5, 0.9), range(6))
    rows = pl.DataFrame(
        [
            SETTING | {"study": s, "batch_size": b, "optimizer": "heavy_ball", "momentum": mu, "eta_ef": 0.1 * 2.0**k}
            for s, b, mu, k in keys
        ]
    )
    shape = (*SHARES.shape, len(rows))
    small = rng.choice([0.0, 0.001, 1 / 96, 0.01, 0.03], shape)
    p_values = np.where(rng.random(shape) < SHARES[..., None], small, rng.random(shape))
    doubtful = pl.Series("doubtful", np.sort(rng.integers(0, len(rows) // 2, len(rows))))
    found = {
        claim: units_frame(claim, rows, *(pl.lit(pl.Series(values)) for values in of_claim))
        for claim, of_claim in zip(CLAIMS, p_values, strict=True)
    }
    return found | {"C2": found["C2"].sort("p_holds").with_columns(doubtful)}  # as of sums over cells


@pytest.fixture(scope="module")
def bounds(units):
    return {claim: bound_units(rows, UnitWords("It holds", "cells"), LEVEL, ALPHA) for claim, rows in units.items()}


@pytest.fixture(scope="module")
def two_studies(results, units, bounds):
    claims = [c | {"at_least": asdict(bounds[c["id"]]) if c["id"] in bounds else None} for c in results.claims]
    again = {name: pl.concat([results[name], twin(results[name])]) for name in ("runs", "sharpenings")}
    return replace(results.having(**again, claim_units=pl.concat(units.values())), claims=claims)


@needs_chromium
def test_the_bound_of_any_part_of_the_units_is_that_of_closed_testing(
    browser, two_studies, points, units, bounds, tmp_path
):
    path = tmp_path / "index.html"
    path.write_text(render_report(two_studies, pl.concat([points, twin(points)]), Analysis()), encoding="utf-8")
    page, seen = Page(browser, path), set()

    for study, b, mu in [*product(STUDIES[:1], (None, 16, 64), (None, 0.5, 0.9)), ("tiny", 64, 0.9)]:
        page.tab.select_option("#pick-setting", label=study)
        page.tab.select_option("#filter-b", "all" if b is None else str(b))
        page.tab.select_option("#filter-momentum", "all" if mu is None else str(mu))
        part = {claim: part_of(rows, study, b, mu) for claim, rows in units.items()}
        where = ", ".join([study, *[f"b = {b}"] * (b is not None), *[f"μ = {mu}"] * (mu is not None)])
        told = told_by(page)
        assert told == {claim: f"{where}: {words(rows, bounds[claim])}" for claim, rows in part.items()}
        seen |= {text.split(": ")[1] for text in told.values()}
    assert len(seen) > 20  # the parts do differ
    assert page.said == []


def told_by(page):
    parts = page.tab.eval_on_selector_all("[data-units-of]", "all => all.map(p => [p.dataset.unitsOf, p.innerText])")
    return {claim: text.replace("\u00a0", " ") for claim, text in parts}


def part_of(rows, study, b, mu):
    chosen = {"study": study, "batch_size": b, "momentum": mu}
    return rows.filter(*(pl.col(name) == value for name, value in chosen.items() if value is not None))


def words(rows, at_least):
    k, contrary = (
        sure_units(rows, column, side)
        for column, side in (("p_holds", at_least.holds), ("p_contradicts", at_least.contradicts))
    )
    end = f"; the contrary holds in at least {contrary}." if contrary else "."
    return f"in at least {k} of {len(rows)} cells{end}"


@needs_chromium
def test_one_study_without_a_filter_says_it_once(browser, results, units, bounds, points, tmp_path):
    """The sentence of the claim is of all units: nothing stands below it until something is chosen."""
    alone = units["C1"].filter(study="tiny")
    at_least = asdict(bound_units(alone, UnitWords("It holds", "cells"), LEVEL, ALPHA))
    claims = [c | {"at_least": at_least if c["id"] == "C1" else None} for c in results.claims]
    path = tmp_path / "index.html"
    path.write_text(
        render_report(replace(results.having(claim_units=alone), claims=claims), points, Analysis()), encoding="utf-8"
    )
    page = Page(browser, path)

    assert told_by(page) == {"C1": ""}
    page.tab.select_option("#filter-b", "64")
    assert told_by(page)["C1"].startswith("b = 64: in at least ")
    page.tab.select_option("#filter-b", "all")
    assert told_by(page) == {"C1": ""}
    assert page.said == []


def test_the_page_holds_every_digit_of_a_p_value(two_studies, units):
    """Six digits could put a p-value on the other side of a limit."""
    settings = two_studies["runs"].select(*SETTING).unique().sort(*SETTING)
    data = units_data(two_studies, settings)

    assert data["units"]["p_holds"] == pl.concat(units.values())["p_holds"].to_list()
    assert set(data["units"]["setting"]) == {0, 1}
    assert data["claims"]["C1"]["holds"]["level"] == LEVEL


def test_a_study_without_units_has_no_data_of_them(results):
    assert units_data(results, results["runs"].select(*SETTING).unique()) is None
