"""Chromium through Playwright, with no network but the file itself: what the tests of the page in a browser share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium on the path; on Debian: apt install chromium"
)
# Chromium asks hosts of its own at start; none of them is there for it.
ARGUMENTS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev extra)")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Page:
    """A loaded page with what it asked for and what it said."""

    def __init__(self, browser, path: Path, width: int = 1280, scheme: str = "light"):
        self.tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.requests, self.said = [], []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.tab.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.tab.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.tab.goto(path.as_uri())

    def draw_all(self):
        """Scroll to each chart and wait until it is there."""
        for box in self.tab.query_selector_all(".chart"):
            if box.is_visible():
                box.scroll_into_view_if_needed()
                box.wait_for_selector("svg", state="attached", timeout=20_000)

    def wait(self, expression):
        """Until a JavaScript expression holds; Playwright's own waiting evaluates text, which the policy forbids."""
        for _ in range(200):
            if self.tab.evaluate(expression):
                return
            self.tab.wait_for_timeout(50)
        raise AssertionError(f"never: {expression}")

    def rows(self):
        return [row.inner_text().split("\t") for row in self.tab.query_selector_all("#run-rows tr")]

    def axe(self, rules=()):
        """Violations of all rules, or of these, that axe-core calls serious or critical; drawings are images to it."""
        axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python (the dev extra)")
        # The page's policy refuses scripts added to it, not those that the debugger evaluates.
        self.tab.evaluate((Path(axe.__file__).with_name("axe.min.js")).read_text())
        options = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = self.tab.evaluate("options => axe.run({exclude: ['.chart svg']}, options)", options)
        return [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"] if v["impact"] in SERIOUS]
