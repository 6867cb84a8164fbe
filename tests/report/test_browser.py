"""The page in a real browser: Chromium through Playwright, with no network but the file itself.

The study is the made-up one of conftest.py, once tame and once with an attack in every text that a log can hold.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from mstudy.analyze import analyze
from mstudy.core.params import Analysis, Detect, Report
from mstudy.explain.page import write_explanation
from mstudy.report.page.render import render_report
from mstudy.runlog.reading.reader import read_run

from tests.report.chromium import Page, needs_chromium
from tests.report.test_page import ATTACK, attacked

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def path(results, more, points, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(render_report(results.having(**more), points, Analysis()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def page(browser, path):
    """One page for the tests that leave it as they find it; everything drawn."""
    page = Page(browser, path)
    page.draw_all()
    return page


def test_every_chart_draws_in_silence_and_asks_for_the_file_alone(page, path):
    charts = page.tab.locator("figure:not([hidden]) .chart").count()

    assert page.tab.locator(".chart svg").count() == charts >= 15
    assert page.said == []
    assert page.requests == [path.as_uri()]


def test_a_quantity_with_a_panel_of_its_own_is_drawn(browser, results, points, tmp_path):
    path = tmp_path / "index.html"
    logged = points.with_columns(
        batch_sharpness=pl.col("directional_curvature") * 2, edge_ratio=pl.lit(0.5), sharpness=pl.lit(9.0)
    )
    path.write_text(render_report(results, logged, Analysis()), encoding="utf-8")
    page = Page(browser, path)

    page.draw_all()

    panels = page.tab.eval_on_selector_all("#explorer [data-panel]", "boxes => boxes.map(box => box.dataset.panel)")
    assert panels == ["curvature", "loss", "edge", "gap", "events"]
    lines = page.tab.locator("#explorer [data-panel=edge] svg .mark-line.role-mark path")
    assert lines.count() >= 9  # nine runs of the first block, and their medians
    assert page.tab.locator("#explorer [data-panel=curvature] svg .mark-symbol.role-mark path").count() > 100
    assert "open circles are λmax and squares are batch sharpness" in page.tab.inner_text("#explorer .note")
    assert page.said == []


def test_axe_finds_nothing_serious_in_light_and_in_dark(page):
    light = page.axe()
    page.tab.click("#theme")
    dark = page.axe(["color-contrast"])
    page.tab.click("#theme")

    assert (light, dark) == ([], [])


def test_the_page_starts_with_the_block_that_sharpens_and_tells_it(page):
    assert page.tab.inner_text("#picked").replace("\u00a0", " ") == "b = 64, ηef = 0.2, 3 seeds"
    assert "SGD in 3 of 3 seeds (step 100 to 120)" in page.tab.inner_text("#block-caption")
    panel = page.tab.inner_text("#explorer [data-panel=events]")
    assert "SGD sharpens" in panel and "μ = 0.9 parts from SGD" in panel


def test_one_control_moves_all_linked_charts(browser, path):
    page = Page(browser, path)
    page.draw_all()
    tab = page.tab

    tab.select_option("#pick-b", "16")
    tab.select_option("#pick-rate", "0.4")
    tab.select_option("#pick-seed", "1")

    assert tab.inner_text("#picked").replace("\u00a0", " ") == "b = 16, ηef = 0.4, seed 1"
    assert tab.inner_text("#block-caption").startswith("SGD, seed 1: no abrupt sharpening up to step 190")
    # The level of SGD's stability line, 2 / 0.4 = 5, is drawn anew; the rate's hairline moves in the other charts.
    page.wait("document.querySelectorAll('#explorer [data-panel] svg').length === 4")
    assert set(tab.eval_on_selector_all("figure.picked", "figures => figures.map(f => f.dataset.b)")) == {"16"}
    hairline = "document.querySelector('#when .plate .chart svg .mark-rule.role-mark').querySelectorAll('line')"
    page.wait(f"[...{hairline}].map(l => +getComputedStyle(l).opacity > 0.5).join() === 'false,false,true'")
    assert page.said == []


def test_a_figure_of_another_study_alone_is_pointed_to(browser, results, points, tmp_path):
    # Two studies, of which the second has no threshold.
    again = {
        name: pl.concat([frame, twin(frame)])
        for name in ("runs", "sharpenings", "partings", "advantage")
        if len(frame := results[name])
    }
    path = tmp_path / "index.html"
    path.write_text(render_report(results.having(**again), pl.concat([points, twin(points)]), Analysis()), "utf-8")
    tab = Page(browser, path).tab
    plate = tab.locator(".plate", has=tab.locator("h3", has_text="Threshold against batch size"))

    tab.select_option("#pick-setting", label="tiny")
    assert plate.locator("figure").first.is_visible() and not plate.locator(".elsewhere").is_visible()
    tab.select_option("#pick-setting", label="again")
    assert not plate.locator("figure").first.is_visible()
    assert plate.locator(".elsewhere").inner_text() == "Not of this study; of tiny"

    plate.locator(".elsewhere button").click()

    assert tab.input_value("#pick-setting") == "1"
    assert plate.locator("figure").first.is_visible() and not plate.locator(".elsewhere").is_visible()


def twin(frame):
    """The same of a study `again`, with runs of its own."""
    renamed = [pl.col(name) + "-again" for name in frame.columns if name.endswith("run_id")]
    study = [pl.lit("again").alias("study")] if "study" in frame.columns else []
    return frame.with_columns(*renamed, *study)


def test_a_click_on_a_run_shows_its_curves(browser, path):
    page = Page(browser, path)
    tab = page.tab
    box = tab.locator("[data-spec=alignment-alignment-1]")
    box.scroll_into_view_if_needed()
    point = box.locator(".mark-symbol path").first
    point.wait_for(state="attached")

    point.dispatch_event("click")

    page.wait("document.getElementById('picked').textContent.includes('seed')")
    assert "seed " in tab.inner_text("#picked")
    tab.get_by_role("button", name="b16-r0.1-m0.0-s2").click()
    assert tab.inner_text("#picked").replace("\u00a0", " ") == "b = 16, ηef = 0.1, seed 2"


def test_a_run_without_a_p_value_has_a_dash_in_the_list(browser, path):
    page = Page(browser, path)
    heads = page.tab.locator("#run-heads button").all_inner_texts()
    verdict, p = heads.index("sharpening"), heads.index("p")

    assert {(row[verdict], row[p]) for row in page.rows()} == {("detected", "0.005"), ("none", "–")}


def test_the_list_sorts_and_filters(browser, path):
    page = Page(browser, path)
    tab = page.tab
    heads = tab.locator("#run-heads button").all_inner_texts()
    loss, seed = heads.index("final loss"), heads.index("seed")

    tab.locator("#run-heads button").nth(loss).click()
    rising = [row[loss] for row in page.rows()]
    tab.locator("#run-heads button").nth(loss).click()
    falling = [row[loss] for row in page.rows()]

    # The diverged run has no loss and stands last either way.
    assert rising[-1] == falling[-1] == "–"
    assert [float(v) for v in rising[:-1]] == sorted(float(v) for v in rising[:-1])
    assert [float(v) for v in falling[:-1]] == sorted((float(v) for v in falling[:-1]), reverse=True)
    assert tab.locator("#run-heads th").nth(loss).get_attribute("aria-sort") == "descending"
    tab.select_option("[data-column=label]", "SGD")
    tab.fill("#find", "b64-r0.2")
    assert sorted(row[seed] for row in page.rows()) == ["0", "1", "2"]
    assert tab.inner_text("#matching") == "3 of 54 runs"


def test_dark_mode_changes_paper_and_hues(browser, path):
    page = Page(browser, path, scheme="dark")
    tab = page.tab
    tab.wait_for_selector(".chart svg", state="attached")

    def look():
        svg = tab.locator(".chart svg").first.inner_html()
        return tab.evaluate("getComputedStyle(document.body).backgroundColor"), "#5cb8ff" in svg, "#0069ad" in svg

    assert look() == ("rgb(21, 23, 26)", True, False)
    tab.click("#theme")
    page.wait("document.querySelector('.chart svg')?.innerHTML.includes('#0069ad')")
    assert look() == ("rgb(251, 251, 250)", False, True)


def test_no_sideways_scroll_on_a_telephone(browser, path):
    page = Page(browser, path, width=390)
    page.draw_all()

    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390
    wide = "charts => charts.filter(c => c.getBoundingClientRect().right > 390).length"
    assert page.tab.eval_on_selector_all(".chart svg", wide) == 0


def test_paper_is_light_and_has_every_chart(browser, path):
    page = Page(browser, path, scheme="dark")

    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")

    shown = "document.querySelectorAll('figure:not([hidden]) .chart').length"
    page.wait(f"document.querySelectorAll('.chart svg').length === {shown}")
    assert page.tab.evaluate("document.documentElement.dataset.theme") == "light"
    page.tab.emulate_media(media="print")
    assert not page.tab.locator("#theme").is_visible() and not page.tab.locator("#pick-b").is_visible()
    assert page.tab.pdf(format="A4").startswith(b"%PDF")


def test_an_attack_in_every_text_stays_text(browser, results, more, points, tmp_path):
    evil, logs = attacked(results.having(**more), points)
    path = tmp_path / "evil.html"
    path.write_text(render_report(evil, logs, Analysis(report=Report(title=ATTACK))), encoding="utf-8")

    page = Page(browser, path, width=390)
    page.draw_all()
    page.tab.select_option("#pick-seed", "1")
    page.tab.locator("#run-rows button").first.click()

    assert page.said == [] and page.requests == [path.as_uri()]
    assert page.tab.locator("img").count() == 0
    assert "<img src=x" in page.tab.inner_text("h1") and "<img src=x" in page.tab.inner_text("#run-rows")
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("branch_of", [None, "another"])
def test_the_page_of_one_run_draws_in_silence(browser, save_sweep, tmp_path, branch_of):
    runs = save_sweep(seeds=2, batch_sizes=(8,), rates=(0.4,))
    path = tmp_path / "why.html"
    found = read_run(runs / "8-0.4-0.0-1.parquet")
    parent = pl.lit(branch_of, dtype=pl.String).alias("branch_of")
    write_explanation(replace(found, scanned=found.scanned.with_columns(parent)), path, Detect())

    page = Page(browser, path, width=390, scheme="dark")
    page.tab.wait_for_selector("#chart svg", state="attached")

    assert page.said == [] and page.requests == [path.as_uri()]
    assert page.axe() == []
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_losses_at_both_ends_of_floats_are_drawn_in_silence(browser, save_run, tmp_path):
    for k, scale in enumerate((1e300, 1e-300, 1.7e308, 1e-310)):
        for rate, mu, optimizer in ((0.1, 0.0, "sgd"), (0.01, 0.9, "heavy_ball")):
            losses = np.append(1 + 0.01 * k, (1 - 0.1 * mu) * scale * np.exp(-0.001 * np.arange(59)))
            save_run(
                {"step": np.arange(60), "loss": losses}, learning_rate=rate, momentum=mu, optimizer=optimizer, seed=k
            )
    analyze(tmp_path / "runs", tmp_path / "out")

    page = Page(browser, tmp_path / "out" / "index.html")
    page.draw_all()

    assert page.said == []


@pytest.mark.parametrize("width", [390, 1280])
def test_no_text_of_a_chart_is_cut_at_the_edge_of_the_page(browser, path, width):
    page = Page(browser, path, width)
    page.draw_all()

    ends = "words => words.map(w => [w.textContent, w.getBoundingClientRect()]).map(([t, r]) => [t, r.left, r.right])"
    places = page.tab.eval_on_selector_all(".chart svg text", ends)
    assert len(places) > 100
    assert [place for place in places if place[1] < 0 or place[2] > width] == []


def test_a_table_that_is_wider_than_its_card_has_a_shadow_where_there_is_more(browser, path):
    page = Page(browser, path, 390)
    n = "getComputedStyle(box).backgroundImage.split('-gradient(').length - 1"
    how = f"box => [{n}, box.scrollWidth, box.clientWidth]"
    attachments = "box => getComputedStyle(box).backgroundAttachment"

    table = page.tab.locator("#runs .scroll")
    n_gradients, inside, outside = table.evaluate(how)

    # Two shadows that stay, and two patches of the card that move with the table over the shadow at its end.
    assert (n_gradients, inside > outside) == (4, True)
    assert table.evaluate(attachments) == "local, local, scroll, scroll"


def test_the_menu_has_the_order_of_the_page(page):
    named = page.tab.eval_on_selector_all("nav.contents a", "links => links.map(a => a.getAttribute('href').slice(1))")
    sections = page.tab.eval_on_selector_all("main > section[id]", "sections => sections.map(s => s.id)")

    assert named == [name for name in sections if name != "finding"]


def test_the_words_below_the_curves_say_what_is_drawn(browser, path):
    page = Page(browser, path)
    assert page.tab.inner_text("#line-words") == "Thin lines are seeds, thick ones their median, which the gap has not"

    page.tab.select_option("#pick-seed", "1")

    assert page.tab.inner_text("#line-words") == "Each line is a run, in the gap a pair"


def test_a_quantity_that_no_log_has_is_not_named(results, points):
    logged = points.with_columns(sharpness=pl.lit(9.0))
    assert points["sharpness"].null_count() == len(points)

    html = render_report(results, points, Analysis())

    assert "open points are" in render_report(results, logged, Analysis())
    assert "open points are" not in html and "curvature κ, " not in html and "curvature κ" in html


def test_the_marks_of_what_is_picked_are_named_where_they_are_drawn(page):
    notes = page.tab.eval_on_selector_all("#when .plate > .note", "notes => notes.map(note => note.innerText)")

    assert sum("A dotted line marks the learning rate, a darker border the batch size" in note for note in notes) == 2
    assert sum("A darker border marks the batch size" in note for note in notes) == 1
    borders = "figures => new Set(figures.map(figure => getComputedStyle(figure).borderColor)).size"
    assert page.tab.eval_on_selector_all("#finding figure:not([hidden])", borders) == 1


def test_on_paper_no_card_is_torn_and_no_table_leaves_its_card(browser, path):
    page = Page(browser, path, 702)
    page.tab.evaluate("document.documentElement.classList.add('on-paper')")
    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.tab.emulate_media(media="print")

    breaks = "boxes => [...new Set(boxes.map(box => getComputedStyle(box).breakInside))]"
    assert page.tab.eval_on_selector_all("section:not(#finding) figure, .card, .under details", breaks) == ["avoid"]
    wider = (
        "tables => tables.filter(t => t.offsetWidth > t.closest('figure').clientWidth).map(t => t.closest('figure').id)"
    )
    assert page.tab.eval_on_selector_all("figure:not([hidden]) table", wider) == []
    share = "svg => svg.getBoundingClientRect().width / svg.closest('.chart').clientWidth"
    page.wait("document.querySelector('#when .chart svg') !== null")
    assert page.tab.eval_on_selector("#when .chart svg", share) > 0.98


_LAID_OVER = """panel => {
  const boxes = selector => [...panel.querySelectorAll(selector)].map(mark => mark.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom;
  const marks = boxes("svg .mark-symbol.role-mark path, svg .mark-rule.role-mark line");
  return boxes("svg .mark-text.role-mark text").filter(word => marks.some(mark => meet(word, mark))).length;
}"""


@pytest.mark.parametrize("width", [390, 1280])
def test_no_mark_of_an_event_lies_on_the_name_of_its_row(browser, results, points, tmp_path, width):
    # Pairs that part from the first steps on, where the names stand.
    early = [(pl.col(name) / 50).alias(name) for name in ("step", "step_low", "step_high")]
    partings = results["partings"].with_columns(early)
    path = tmp_path / "index.html"
    path.write_text(render_report(results.having(partings=partings), points, Analysis()), encoding="utf-8")
    page = Page(browser, path, width)
    page.draw_all()

    panel = page.tab.locator("#explorer [data-panel=events]")
    assert panel.locator(".mark-text.role-mark text").count() >= 2
    assert panel.locator(".mark-symbol.role-mark path").count() >= 4
    assert panel.evaluate(_LAID_OVER) == 0


def test_words_in_a_chart_have_an_outline_in_the_colour_of_the_paper(browser, path):
    outlines = {}
    for scheme, paper in (("light", "#ffffff"), ("dark", "#1c1f23")):
        page = Page(browser, path, scheme=scheme)
        page.draw_all()
        words = page.tab.locator("#explorer [data-panel=curvature] svg .mark-text.role-mark")
        assert words.count() == 2
        outlines[scheme] = words.first.locator("text").first.get_attribute("stroke"), paper

    assert all(stroke == paper for stroke, paper in outlines.values()), outlines
