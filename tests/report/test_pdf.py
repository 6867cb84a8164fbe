"""The page as PDF: by the Chromium that is installed, or a sentence."""

import re
import zlib

import pytest
from mstudy.core.errors import ConfigError, LogError
from mstudy.core.params import Analysis
from mstudy.report.page.render import write_report
from mstudy.report.pictures import pdf

CHROMIUM = next((name for name in pdf.BROWSERS if pdf.shutil.which(name)), None)


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the path; on Debian: apt install chromium")
def test_the_page_is_printed_with_its_charts(results, points, tmp_path):
    write_report(results, points, tmp_path / "index.html", Analysis())

    pdf.write_pdf(tmp_path / "index.html", tmp_path / "paper" / "index.pdf")

    content = (tmp_path / "paper" / "index.pdf").read_bytes()
    assert content.startswith(b"%PDF") and content.count(b"/Type /Page\n") > 5
    drawn = b"".join(map(_plain, re.findall(rb"stream\r?\n(.*?)endstream", content, re.S)))
    assert len(re.findall(rb"\.3608 \.1255 0 RG", drawn)) > 5  # the colour of SGD in print, as strokes


def _plain(stream):
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_without_a_browser_one_sentence_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(pdf.shutil, "which", lambda name: None)

    with pytest.raises(
        ConfigError, match=r"^--format pdf must have a Chromium to print with, found none of chromium, "
    ):
        pdf.write_pdf(tmp_path / "index.html", tmp_path / "index.pdf")


@pytest.mark.parametrize(
    ("script", "found"), [("exit 3", "ended with 3 and wrote none"), ("sleep 5", "was not done after 0.2 seconds")]
)
def test_a_browser_that_does_not_print_leaves_no_file(monkeypatch, tmp_path, script, found):
    browser = tmp_path / "chromium"
    browser.write_text(f"#!/bin/sh\n{script}\n")
    browser.chmod(0o755)
    monkeypatch.setattr(pdf.shutil, "which", lambda name: str(browser))
    monkeypatch.setattr(pdf, "_PATIENCE", 0.2 if "sleep" in script else 60)

    with pytest.raises(
        LogError, match=rf"must print .*index.html to a PDF, found that it {re.escape(found)}; open the"
    ):
        pdf.write_pdf(tmp_path / "index.html", tmp_path / "index.pdf")
    assert not (tmp_path / "index.pdf").exists()
