"""The page on paper: a PDF, printed by the Chromium that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from mstudy.core.errors import ConfigError, LogError
from mstudy.core.files import write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# The page is a file that asks for nothing; the browser is kept from asking for anything of its own.
_ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--virtual-time-budget=120000",  # milliseconds of the page's own clock, which runs ahead while nothing is drawn
)
_PATIENCE = 300  # seconds


def find_browser() -> str:
    """Return the path of a Chromium. Raises ConfigError where none is installed."""
    found = next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)
    if found is None:
        raise ConfigError(
            f"--format pdf must have a Chromium to print with, found none of {', '.join(BROWSERS)} on the path; "
            "install one, or open the page in a browser and print it."
        )
    return found


def write_pdf(page: Path, out: Path) -> None:
    """Print a page of ours, whole or not at all. Raises ConfigError without a browser, LogError where it fails."""
    browser = find_browser()
    with TemporaryDirectory() as folder:
        printed = Path(folder) / "page.pdf"
        own = [f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"]
        done = _run([browser, *_ARGUMENTS, *_for_root(), *own, f"{page.resolve().as_uri()}#?paper"])
        if not printed.is_file():
            raise LogError(
                f"{browser} must print {page} to a PDF, found that it {done}; open the page in a browser and print it."
            )
        write_whole(out, printed.read_bytes(), "The folder of the PDF", out.parent)


def _run(command: list[str]) -> str:
    """Run a command and return how it ended."""
    try:
        rc = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE).returncode
    except subprocess.TimeoutExpired:
        return f"was not done after {_PATIENCE} seconds"
    return f"ended with {rc} and wrote none"


def _for_root() -> list[str]:
    """Return what Chromium asks for where it runs as root, as in a container: there its sandbox does not start."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
