"""Runs with their branches over the steps. Truth: branches made of their parents' own curves, and captions by hand."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest
from mstudy.core.params import Analysis, Report
from mstudy.core.theory import equivalent_sgd_step
from mstudy.report.page.drawn_runs import drawn_runs
from mstudy.report.page.encode import unpack, unpack_steps
from mstudy.report.page.explorer import build_explorer
from mstudy.report.page.render import render_report
from mstudy.report.sections.base import make_report_data
from mstudy.report.sections.branches.curves import branch_plates
from mstudy.tables.contracts import INTERVENTIONS

from tests.report.chromium import Page, needs_chromium
from tests.report.conftest import LINES, N_POINTS, run_id
from tests.report.test_edges import PALETTE

BEGIN, END, PARENT_END = 80, 120, 100  # of a branch that goes half as fast
SEEDS = (0, 1, 2)
EFFECTS = {0: 0.28, 1: 0.46, 2: 0.02}  # the median is that of seed 0


def slowed(steps):
    """The parent's steps at which a branch is that goes half as fast for 40 steps."""
    return np.interp(steps, [0, BEGIN, END, N_POINTS + 19], [0, BEGIN, PARENT_END, N_POINTS - 1])


def branch_id(seed, at):
    return f"branch-{seed}-{at}"


@pytest.fixture(scope="module")
def study(results, points):
    """SGD at b = 64, eta_ef = 0.2 with branches at two times; those before the sharpening repeat it at half the speed.

    The converse is of seed 0: a branch of SGDM with a third of its loss.
    """
    about, rows, found = [], [], []
    for seed, effect in EFFECTS.items():
        for at, begin in (("sharpening", BEGIN), ("control", BEGIN - 40)):
            sgd, sgdm = run_id(64, 0.2, 0.0, seed), run_id(64, 0.2, 0.9, seed)
            about.append((branch_id(seed, at), sgd, sgdm, False, at, begin, effect if at == "sharpening" else 0.0))
    about.append(("raised", run_id(64, 0.2, 0.0, 0), run_id(64, 0.2, 0.9, 0), True, "sharpening", BEGIN, 9.0))
    runs = results["runs"]
    steps = np.arange(N_POINTS + 20)
    for name, sgd, sgdm, of_sgdm, at, begin, effect in about:
        parent = sgdm if of_sgdm else sgd
        kind = "raised rate" if of_sgdm else "lower rate"
        columns = {"run_id": name, "branch_of": parent, "intervention": kind, "intervention_at": at}
        ends = {"intervention_step": begin, "intervention_end": begin + 40, "intervention_parent_end": begin + 20}
        if of_sgdm:
            ends["intervention_parent_end"] = begin + 40
        own = runs.filter(run_id=parent)
        about_run = [pl.lit(value, own.schema[key]).alias(key) for key, value in (columns | ends).items()]
        runs = pl.concat([runs, own.with_columns(about_run)])
        loss = 1 / (1 + slowed(steps)) if at == "sharpening" and not of_sgdm else 1 / (3 + 3.0 * steps)
        rows.append(pl.DataFrame({"run_id": [name] * len(steps), "step": steps, "loss": loss}))
        found.append(
            LINES[1]
            | {"eta_ef": 0.2, "seed": int(sgd[-1]), "branch_run_id": name, "sgd_run_id": sgd, "sgdm_run_id": sgdm}
            | {"intervention": kind, "intervention_at": at, "of_sgdm": of_sgdm, "by_momentum": False}
            | {
                "intervention_step": begin,
                "intervention_end": begin + 40,
                "gap_parent": 0.5,
                "gap_branch": 0.5 - effect,
            }
            | {"sharpened_parent": True, "sharpened_branch": False}
        )
    sharpenings = [results["sharpenings"], results["sharpenings"].head(1).with_columns(status=pl.lit("none"))]
    none = [sharpenings[1].with_columns(run_id=pl.lit(name)) for name, *_ in about]
    more = pl.concat(rows).with_columns(directional_curvature=pl.lit(0.1), sharpness=pl.lit(None, pl.Float64))
    tables = {"runs": runs, "sharpenings": pl.concat([sharpenings[0], *none])}
    frame = INTERVENTIONS.frame(found)
    return results.having(**tables, interventions=frame), pl.concat([points, more.select(points.columns)])


def plates_of(study, held=None):
    results, _ = study
    return branch_plates(
        make_report_data(results, PALETTE, held=drawn_runs(results, Report()) if held is None else held)
    )


def test_of_a_block_the_run_of_median_effect_is_shown_with_what_its_treatments_do(study):
    (figure,) = plates_of(study)[0].figures

    (parent,) = figure.branches.parents
    assert parent.run_ids == (run_id(64, 0.2, 0.0, 0), run_id(64, 0.2, 0.9, 0))
    before, control = parent.times
    assert before.run_ids == ("branch-0-sharpening", "raised") and before.step == BEGIN and before.ends == (120, 120)
    assert control.run_ids == ("branch-0-control",) and (control.name, control.step) == ("at the control time", 40)
    assert figure.caption == before.caption
    assert before.caption == (
        "SGD at b = 64, η_ef = 0.2, seed 0 sharpens abruptly at step 100 [95, 105], and is left before the "
        "sharpening, at step 80. When the treatment ends, its log ratio to SGDM μ = 0.9 is 0.5 left alone; of the "
        "branches it is lower rate 0.22 and raised rate −8.5."
    )


def test_without_curves_of_branches_there_is_no_such_plate(study):
    assert plates_of(study, held=[run_id(64, 0.2, 0.0, 0)]) == []
    assert plates_of((study[0].having(interventions=study[0]["interventions"].clear()), None)) == []


def gap_of(data, branch):
    steps, *packed = data["branch_gaps"]["gap"][data["branch_gaps"]["branch"].index(data["runs"]["id"].index(branch))]
    return unpack_steps(data["steps"][steps]), unpack(packed, log=False)


def test_the_gap_of_a_branch_is_to_sgdm_at_the_step_as_far_along(study):
    (figure,) = plates_of(study)[0].figures
    data = build_explorer(*study, Report(), branches=[figure.branches]).data

    steps, gap = gap_of(data, "branch-0-sharpening")

    # The branch repeats its parent, so its gap is the pair's at the parent's step: of losses 1 / (1 + t), a lag apart.
    clock = equivalent_sgd_step(np.arange(N_POINTS, dtype=float), "heavy_ball", 0.9)
    ahead = np.interp(slowed(steps), clock, np.log(1.0 + np.arange(N_POINTS)))
    np.testing.assert_allclose(gap, -np.log(1 + slowed(steps)) + ahead, atol=1e-4)
    assert steps[0] == BEGIN and steps[-1] > 200  # as long as the branch itself goes on

    # Of a branch of SGDM, SGD's step is the clock: a third of the loss of SGDM is log 3 more.
    at, raised = gap_of(data, "raised")
    pair = -np.log(1.0 + at) + np.interp(
        at, equivalent_sgd_step(np.arange(400.0), "heavy_ball", 0.9), np.log1p(np.arange(400))
    )
    np.testing.assert_allclose(raised, pair + np.log(3), atol=1e-3)


def test_branches_of_a_study_without_a_known_lag_have_no_gap(study, mystery):
    results, points = study
    named = pl.when(pl.col("momentum") == 0.9).then(pl.lit(mystery.name)).otherwise("optimizer").alias("optimizer")
    changed = results.having(**{n: results[n].with_columns(named) for n in ("runs", "partings", "interventions")})
    (figure,) = plates_of((changed, points))[0].figures

    data = build_explorer(changed, points, Report(), branches=[figure.branches]).data

    assert len(gap_of(data, "branch-0-sharpening")[0]) == 0


@needs_chromium
def test_the_page_draws_the_branches_that_a_reader_picks(browser, study, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(render_report(*study, Analysis()), encoding="utf-8")
    page = Page(browser, path, width=390)
    figure = page.tab.locator("figure[data-branches]")
    figure.scroll_into_view_if_needed()
    page.wait("document.querySelectorAll('figure[data-branches] svg').length === 4")
    events = figure.locator("[data-panel=events]")

    assert all(words in events.inner_text() for words in ("SGD sharpens", "lower rate", "raised rate"))
    assert "is left before the sharpening, at step 80" in figure.inner_text()
    assert figure.locator(".legend > span").all_inner_texts() == [
        "SGD", "SGDM μ = 0.9", "SGD then lower rate", "SGDM μ = 0.9 then raised rate",
    ]  # fmt: skip

    figure.get_by_label("branches leave it").select_option("1")

    svg = "document.querySelector('figure[data-branches] [data-panel=events] svg')"
    page.wait(f"{svg}?.textContent.includes('raised') === false")
    assert "is left at the control time, at step 40" in figure.inner_text()
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.axe(["label", "select-name", "color-contrast", "role-img-alt"]) == []
    assert page.said == []


def test_the_page_holds_no_more_than_the_places_of_the_branches(study):
    html = render_report(*study, Analysis())
    held = json.loads(re.search(r'id="branches-interventions-branches-1">(.*?)</script>', html)[1])

    assert held["first"] == 0 and len(held["parents"][0]["runs"]) == 2
    assert [len(time["runs"]) for time in held["parents"][0]["times"]] == [2, 1]
