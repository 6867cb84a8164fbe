"""The page of runs under way. Truth: what was logged."""

import json
import re
import time

import numpy as np
import pytest
from mstudy import RunLogger
from mstudy.core.params import Detect
from mstudy.report.page.encode import unpack, unpack_steps
from mstudy.watch import live_page, watching
from mstudy.watch.live_page import LivePage
from mstudy.watch.watching import Watch

from tests.report.chromium import Page, needs_chromium


@pytest.fixture
def logs(tmp_path):
    """Two runs under way of one block; the first has sharpened. What is given back is closed at the end."""
    rng = np.random.default_rng(0)
    opened = []
    for seed in range(2):
        about = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": seed}
        log = RunLogger(tmp_path / "runs" / f"<b>{seed}.parquet", **about)
        for step in range(200):
            level = 20.0 if seed == 0 and step >= 100 else 1.0
            log.log(step, 1 / (1 + step), directional_curvature=level * np.exp(0.05 * rng.normal()))
        opened.append(log)
    yield opened
    for log in opened:
        log._journal.close()


def written(tmp_path, **options):
    page = LivePage(tmp_path / "out", "t", Detect(), **options)
    watch = Watch(tmp_path / "runs", Detect(), 60.0, unhurried=False)
    page.write(watch.look().judged, "two runs")
    return page, watch


def data_of(page, name):
    return json.loads(re.search(rf'id="{name}">(.*?)</script>', page.path.read_text(encoding="utf-8"))[1])


def test_the_page_holds_the_curves_and_the_events_so_far(tmp_path, logs):
    page, _ = written(tmp_path)

    explorer, listed = data_of(page, "explorer-data"), data_of(page, "runs-data")
    packed = explorer["curves"][0]["loss"]
    steps = unpack_steps(explorer["steps"][packed[0]])
    np.testing.assert_allclose(unpack(packed[1:], log=True), 1 / (1 + steps), rtol=1e-3)
    assert steps[-1] == 199
    assert explorer["events"]["run"] == [0, 0]  # it sharpens, and reaches its line
    assert explorer["events"]["step"][0] == pytest.approx(99.5, abs=1.5)
    assert listed["rows"]["run_id"] == ["<b>0", "<b>1"]
    assert listed["rows"]["status"] == ["under way"] * 2
    text = page.path.read_text(encoding="utf-8")
    assert "two runs" in text and 'data-panel="gap"' not in text
    assert "<b>0" not in text  # a name is no markup


def test_the_page_is_written_again_where_anything_is_new(tmp_path, logs):
    page, watch = written(tmp_path, unhurried=False)
    page.path.unlink()

    page.write(watch.look().judged, "two runs")
    assert not page.path.exists()
    logs[0].log(200, 0.5)
    page.write(watch.look().judged, "two runs")

    assert page.path.exists()


def test_the_page_is_written_every_ten_seconds_at_most_and_within_its_share(tmp_path, logs, monkeypatch):
    monkeypatch.setattr(LivePage, "_render", lambda self, runs, summary: "page")
    page, watch = written(tmp_path)
    before = time.monotonic()
    assert before + 8 < page._next < before + 11

    for next_one, saved in ((before + 5, 0.0), (before - 1, -60.0), (before - 1, 0.0)):
        page.path.unlink(missing_ok=True)
        logs[0].log(logs[0]._last_step + 1, 0.5)
        page._next, page._allowance._saved = next_one, saved
        page.write(watch.look().judged, "two runs")
        assert page.path.exists() == (next_one < before and saved == 0.0)


def test_a_page_without_runs_says_so_and_loads_itself_anew(mstudy, tmp_path):
    (tmp_path / "runs").mkdir()

    assert mstudy("watch", tmp_path / "runs", "--once", "--page", tmp_path / "out")[0] == 0
    text = (tmp_path / "out" / "live.html").read_text(encoding="utf-8")
    assert "no run is under way in" in text and "location.reload()" in text


def test_the_command_keeps_the_page_current(mstudy, tmp_path, logs, monkeypatch):
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: (_ for _ in ()).throw(KeyboardInterrupt))

    code, out, _ = mstudy("watch", tmp_path / "runs", "--page", tmp_path / "out")

    assert code == 0 and "<b>0: sharpened at step" in out
    assert "1 sharpened; 0 finished logs in" in (tmp_path / "out" / "live.html").read_text(encoding="utf-8")


def test_the_page_does_not_lie_among_the_runs(mstudy, tmp_path, logs):
    code, _, told = mstudy("watch", tmp_path / "runs", "--page", tmp_path / "runs" / "out", "--once")

    assert code == 1 and told.startswith("error: PAGE and RUNS must be folders apart")


@needs_chromium
def test_in_a_browser_it_keeps_what_was_picked_when_it_loads_itself(browser, tmp_path, logs, monkeypatch):
    monkeypatch.setattr(live_page, "_SECONDS", 1)
    page, _ = written(tmp_path)

    shown = Page(browser, page.path)
    tab = shown.tab
    tab.wait_for_selector(".chart svg", state="attached")
    tab.select_option("#pick-seed", "1")
    first = len(shown.requests)
    with tab.expect_navigation(timeout=10_000):  # not while a reader chooses
        tab.evaluate("document.activeElement.blur()")

    tab.wait_for_selector(".chart svg", state="attached")
    assert tab.input_value("#pick-seed") == "1"
    assert len(shown.requests) > first
    assert {url.partition("#")[0] for url in shown.requests} == {page.path.as_uri()}
    assert shown.said == []
    tab.close()


@needs_chromium
def test_in_a_browser_it_draws_on_a_telephone_for_every_reader(browser, tmp_path, logs, monkeypatch):
    monkeypatch.setattr(live_page, "_SECONDS", 3600)  # a page that loads itself cannot be looked through
    page, _ = written(tmp_path)

    narrow = Page(browser, page.path, 390, "dark")

    narrow.draw_all()
    assert (narrow.axe(), narrow.said) == ([], [])
    assert narrow.tab.evaluate("document.documentElement.scrollWidth") == 390
    narrow.tab.close()
