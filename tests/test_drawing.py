"""The time that the page takes to draw is measured where there is a Chromium, and skipped with a reason elsewhere."""

import sys

from benchmarks.speed import drawing


def test_without_a_chromium_it_says_what_is_needed(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["drawing"])

    drawing.main()

    assert capsys.readouterr().out == f"{drawing.NO_CHROMIUM}\n"
