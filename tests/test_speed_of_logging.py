"""The table of readers in benchmarks/logging.md."""

from benchmarks.speed import logging


def raising(folder):
    raise ModuleNotFoundError("No module named 'nowhere'")


def test_a_reader_that_is_not_installed_is_named_and_not_called(tmp_path, monkeypatch):
    monkeypatch.setattr(logging, "FEW_MEGABYTES", 0.02)
    monkeypatch.setattr(logging, "MEGABYTES", 0.04)
    monkeypatch.setattr(logging, "READERS", {"ours": (logging.ours, "mstudy"), "nowhere": (raising, "no-such-package")})

    rows = [line.split(" | ") for line in logging.events_table(tmp_path).splitlines()[2:]]

    assert [row[0].strip("| ") for row in rows] == ["ours", "nowhere", "ours"]
    assert [row[-1].strip(" |") == "not installed" for row in rows] == [False, True, False]
    assert logging.installed("torch", "no-such-package").endswith("no-such-package not installed")
