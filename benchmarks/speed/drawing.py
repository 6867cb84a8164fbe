"""How long a page of the report takes to draw in Chromium without a screen: python -m benchmarks.speed.drawing.

python -m benchmarks.speed.drawing [PAGE] [--repeats 5] [--write]; PAGE is reports/index.html by default. Without a
Chromium on the path it says so and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.speed.timing import cpu

WIDTHS = (1280, 390)
NO_CHROMIUM = "skipped: needs a Chromium on the path; on Debian: apt install chromium"


@dataclass(frozen=True)
class Drawn:
    """Seconds to the first chart, and until every chart is there while scrolling; of processor time of the page's
    process; number of charts."""

    first: float
    every: float
    processor: float
    n_charts: float


def chromium() -> str | None:
    """The system's Chromium, where there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def draw(page: Path, width: int = 1280) -> Drawn:
    """Load a page in a browser of its own and scroll through it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"]
        )
        tab = browser.new_page(viewport={"width": width, "height": 900})
        counters = tab.context.new_cdp_session(tab)
        counters.send("Performance.enable")
        started = perf_counter()
        tab.goto(page.absolute().as_uri(), wait_until="commit")
        tab.wait_for_selector(".chart svg", state="attached")
        first = perf_counter() - started
        boxes = [box for box in tab.query_selector_all(".chart") if box.is_visible()]  # of the study that is picked
        for box in boxes:
            box.scroll_into_view_if_needed()
            box.wait_for_selector("svg", state="attached")
        every = perf_counter() - started
        told = {entry["name"]: entry["value"] for entry in counters.send("Performance.getMetrics")["metrics"]}
        browser.close()
    return Drawn(first, every, told["TaskDuration"], float(len(boxes)))


def least(page: Path, repeats: int, width: int = 1280) -> Drawn:
    """The least of each, of several loadings."""
    columns = zip(*(astuple(draw(page, width)) for _ in range(repeats)), strict=True)
    return Drawn(*map(min, columns))


def section(page: Path, repeats: int) -> str:
    """The page of the benchmark."""
    rows = [(width, least(page, repeats, width)) for width in WIDTHS]
    return "\n".join(
        [
            "## Drawing of the page (`python -m benchmarks.speed.drawing --write`)",
            "",
            f"Machine: {cpu()}, load {os.getloadavg()[0]:.1f} at the end of measuring. The page of the default study "
            f"({page.stat().st_size / 1e6:.2f} MB), from a file, in Chromium without a screen, least of {repeats} "
            "loadings in a browser of its own each. First chart, every chart: from the request, every chart while "
            "scrolling through the page. Main thread: time that the page's main thread worked until then.",
            "",
            "| width | first chart | every chart (number) | main thread |",
            "|---|---|---|---|",
            *(f"| {w} | {d.first:.2f} s | {d.every:.1f} s ({d.n_charts:.0f}) | {d.processor:.1f} s |" for w, d in rows),
            "",
        ]
    )


def main() -> None:
    """Print or write, or say why nothing can be measured."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("page", type=Path, nargs="?", default=Path("reports/index.html"))
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    if chromium() is None:
        print(NO_CHROMIUM)
        return
    text = section(options.page, options.repeats)
    if options.write:
        (Path(__file__).parents[1] / "drawing.md").write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
