"""The view of the page: one filter over all figures, the address that says what is shown, what a reader takes along."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from mstudy.core.params import Analysis
from mstudy.report.page.render import render_report

from tests.report.chromium import Page, needs_chromium

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def reader(browser):
    """A reader whose clipboard the page may use."""
    return browser.new_context(permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture(scope="module")
def path(results, more, points, tmp_path_factory):
    path = tmp_path_factory.mktemp("view") / "index.html"
    path.write_text(render_report(results.having(**more), points, Analysis()), encoding="utf-8")
    return path


@pytest.fixture
def page(reader, path):
    page = opened(reader, path)
    yield page
    assert page.said == []
    page.tab.close()


def opened(reader, path, address=""):
    page = Page.__new__(Page)
    page.tab, page.requests, page.said = reader.new_page(), [], []
    page.tab.set_viewport_size({"width": 1280, "height": 900})
    page.tab.on("console", lambda message: page.said.append(message.text))
    page.tab.on("pageerror", lambda error: page.said.append(str(error)))
    page.tab.goto(path.as_uri() + address)
    return page


def address_of(page):
    place, _, state = page.tab.evaluate("location.hash.slice(1)").partition("?")
    return place, {name: values[0] for name, values in parse_qs(state).items()}


def saved(page, selector):
    with page.tab.expect_download() as download:
        page.tab.locator(selector).click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def shown_lines(page, figure):
    lines = page.tab.locator(f"#{figure} tbody tr:not([hidden])")
    return [
        line.split("\t")
        for line in lines.evaluate_all("lines => lines.map(l => [...l.cells].map(c => c.textContent).join('\t'))")
    ]


def test_the_filter_leaves_its_batch_size_and_momentum_in_every_figure(page):
    tab = page.tab

    tab.select_option("#filter-b", "16")
    tab.select_option("#filter-momentum", "0.9")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")  # draws every figure that is shown
    page.wait("[...document.querySelectorAll('.chart')].every(c => c.closest('figure').hidden || c.textContent !== '')")

    visible = "figures => figures.filter(f => !f.hidden).map(f => f.dataset.b)"
    assert set(tab.eval_on_selector_all("figure[data-b]", visible)) == {"16"}
    assert [(line[0], line[2]) for line in shown_lines(page, "when-threshold-1")] == [("16", "0.9")]
    assert tab.inner_text("#matching").startswith("18 of 54 runs")  # three rates, SGD and one momentum, three seeds
    curves = tab.locator("#explorer [data-panel=loss] svg .mark-line.role-mark path")
    assert curves.count() == 6 + 2  # seeds and medians of one block
    assert tab.is_visible("#filtered") and "b = 16" in tab.inner_text("#picked").replace("\u00a0", " ")


def test_the_event_of_the_filter_tells_its_state(page):
    page.tab.evaluate("document.addEventListener('filter', event => document.title = JSON.stringify(event.detail))")

    page.tab.select_option("#filter-momentum", "0.5")

    assert page.tab.title() == '{"b":null,"momentum":0.5}'


def test_a_figure_without_a_row_left_says_so_and_comes_back(page, results):
    # The events lie at b = 64 alone.
    box = page.tab.locator("[data-spec=alignment-alignment-1]")
    box.scroll_into_view_if_needed()
    box.locator("svg").wait_for(state="attached")

    page.tab.select_option("#filter-b", "16")
    assert box.inner_text() == "Nothing to show here under the filter."
    page.tab.select_option("#filter-b", "all")

    box.locator("svg").wait_for(state="attached")
    assert "Nothing to show" not in box.inner_text()


def test_a_link_shows_the_same_view(reader, page):
    tab = page.tab
    assert address_of(page) == ("", {})
    tab.select_option("#pick-b", "16")
    tab.select_option("#pick-rate", "0.4")
    tab.select_option("#pick-seed", "1")
    tab.select_option("#filter-momentum", "0.9")
    tab.click("#theme")
    tab.locator("#when-loss-1 .tools button", has_text="link").click()
    link = tab.evaluate("navigator.clipboard.readText()")

    state = {"b": "16", "eta_ef": "0.4", "seed": "1", "momentum": "0.9", "theme": "dark"}
    assert address_of(page) == ("when-loss-1", state)
    assert link == tab.url
    other = Page.__new__(Page)
    other.tab = reader.new_page()
    other.tab.goto(link)
    other.tab.locator("#when-loss-1 svg").wait_for(state="attached")
    assert other.tab.inner_text("#picked").replace("\u00a0", " ") == "b = 16, ηef = 0.4, seed 1"
    assert other.tab.input_value("#filter-momentum") == "0.9"
    assert other.tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert other.tab.locator("#when-loss-1").evaluate("f => f.getBoundingClientRect().top < innerHeight")
    other.tab.click("a[href='#claims']")
    assert address_of(other) == ("claims", state)
    other.tab.close()


def test_what_a_link_asks_for_and_the_page_lacks_is_said(reader, path):
    page = opened(reader, path, "#when?study=<img src=x>&b=99&eta_ef=0.2&momentum=0.7&theme=pink&seed=8")

    told = page.tab.inner_text("#not-here").replace("\u00a0", " ")
    assert told == (
        "The link asks for theme = pink, momentum = 0.7, study = <img src=x>, b = 99, ηef = 0.2, which this page does "
        "not have."
    )
    assert page.said == []
    page.tab.close()


def test_the_rows_shown_are_saved_with_their_digits(page):
    page.tab.select_option("#filter-b", "64")

    name, content = saved(page, "#when-threshold-2 .tools button:has-text('CSV')")

    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert name == "when-threshold-2.csv"
    assert [(row["batch_size"], row["momentum"]) for row in rows] == [("64", "0.5"), ("64", "0.9")]
    assert [row["eta_ef_per_sample_star"] for row in rows] == ["", "0.0015625"]  # the page shows 0.00156


def test_curves_drawn_are_saved_as_rows(page):
    page.tab.select_option("#pick-seed", "2")

    name, content = saved(page, "#explorer .tools button[aria-label^='CSV']")

    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert name == "explorer.csv"
    assert {row["optimizer"] for row in rows} == {"SGD", "SGDM μ = 0.5", "SGDM μ = 0.9"}
    assert {row["seed"] for row in rows} == {"2"} and len(rows) > 200
    assert {row["quantity"] for row in rows} >= {"directional_curvature", "loss", "gap", "sharpens"}
    first = next(row for row in rows if row["quantity"] == "loss")
    assert float(first["value"]) == pytest.approx(1.0, rel=1e-4)


def test_pictures_and_captions_are_taken_along(page):
    vector = saved(page, "#when-advantage-1 .tools button:has-text('SVG')")
    picture = saved(page, "#when-advantage-1 .tools button:has-text('PNG')")
    page.tab.locator("#when-advantage-1 .tools button", has_text="caption").click()

    assert vector[0] == "when-advantage-1.svg" and vector[1].startswith(b"<svg")
    assert picture[0] == "when-advantage-1.png" and picture[1].startswith(b"\x89PNG")
    caption = page.tab.evaluate("navigator.clipboard.readText()").replace("\u00a0", " ")
    assert caption.startswith("At b = 16, SGDM μ = 0.5 helps at no learning rate tried")


def test_every_figure_has_an_address_and_tools_for_the_keyboard(page):
    figures = page.tab.eval_on_selector_all(
        "figure", "figures => figures.map(f => [f.id, f.querySelectorAll('.tools button').length])"
    )

    assert all(name and count >= 2 for name, count in figures)
    assert len({name for name, _ in figures}) == len(figures)
    page.tab.locator("#when-advantage-1 .tools button").first.focus()
    page.tab.keyboard.press("Enter")
    assert page.tab.inner_text("#told") == "copied"


def test_the_page_opens_with_the_pictures_of_the_largest_momentum_or_of_the_one_filtered(page):
    def titles():
        page.wait(
            "[...document.querySelectorAll('#finding figure:not([hidden]) .chart')].every(c => c.querySelector('svg'))"
        )
        texts = page.tab.locator("#finding figure:not([hidden]) h4").all_inner_texts()
        return [text.replace("\u00a0", " ") for text in texts]

    assert titles() == ["When: the advantage of SGDM μ = 0.9", "Why: b = 64, ηef = 0.2, seed 1, μ = 0.9"]
    _, content = saved(page, "#finding figure:not([hidden]) .panels ~ .tools button:has-text('SVG')")
    assert content.count(b"<svg") == 5 and b"SGD sharpens abruptly" in content and b"parts from SGD" in content
    page.tab.select_option("#filter-momentum", "0.5")
    assert titles() == ["When: the advantage of SGDM μ = 0.5", "Why: b = 64, ηef = 0.2, seed 1, μ = 0.5"]


def test_on_paper_everything_is_open_in_one_column_and_light(reader, path):
    page = opened(reader, path, "#?b=64&eta_ef=0.2&theme=dark")
    page.tab.locator("#finding figure:not([hidden]) [data-panel=curvature] svg").wait_for(state="attached")
    closed = page.tab.locator("details:not([open])").count()

    page.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.tab.emulate_media(media="print")

    assert closed > 10 and page.tab.locator("details:not([open])").count() == 0
    assert page.tab.evaluate("getComputedStyle(document.querySelector('.grid')).display") == "block"
    line = "#finding [data-panel=curvature]:visible svg .mark-line.role-mark path >> nth=0"
    assert page.tab.locator(line).get_attribute("stroke") == "#ff9a4d"  # drawn on a dark page
    assert page.tab.locator(line).evaluate("line => getComputedStyle(line).stroke") == "rgb(92, 32, 0)"
    page.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.tab.locator("details:not([open])").count() == closed
    assert page.tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.said == []
    page.tab.close()
