"""Truth: the bytes of a sweep whose store was there all the time."""

import errno
import os
import time
from pathlib import Path

import pytest
import torch
from mstudy.core import files
from mstudy.core.errors import LogError
from mstudy.train import stage as sweep
from mstudy.train.sweep.store import Store

from tests.train.configs import STUDY

CPU = torch.device("cpu")
AWAY_SECONDS = 0.3  # for ten


class Folder:
    """A network folder that is away for some time from its first refusal on."""

    def __init__(self, monkeypatch, root, number):
        self.root, self.number, self.until, self.refused = root, number, None, 0
        monkeypatch.setattr(files, "_PAUSE_SECONDS", 0.02)
        for owner, name in ((files, "_write"), (Path, "read_bytes"), (Path, "unlink")):
            monkeypatch.setattr(owner, name, self.watched(getattr(owner, name)))

    def watched(self, action):
        def act(path, *arguments, **options):
            if path.is_relative_to(self.root) and self.is_away():
                self.refused += 1
                raise OSError(self.number, os.strerror(self.number), str(path))
            return action(path, *arguments, **options)

        return act

    def is_away(self):
        self.until = self.until or time.monotonic() + AWAY_SECONDS
        return time.monotonic() < self.until


def train(root, **options):
    store = Store(root)
    sweep.train_missing(sweep.study_runs("s", STUDY), STUDY, store, 1, CPU, **options)
    return {path.name: path.read_bytes() for path in root.glob("*.parquet")}


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT])
@pytest.mark.parametrize("begins", ["at once", "between two checkpoints", "among the logs"])
def test_a_sweep_waits_for_a_folder_that_is_away_for_a_while(tmp_path, monkeypatch, number, begins):
    before = train(tmp_path / "there")
    root = tmp_path / "away"
    with monkeypatch.context() as patch:
        folder = Folder(patch, root, number)
        if begins != "at once":  # away from some later touch on
            touches = iter(range({"between two checkpoints": 12, "among the logs": 20}[begins]))
            away, folder.is_away = folder.is_away, lambda: next(touches, None) is None and away()
        after = train(root, checkpoint_seconds=0.0)

    assert folder.refused > 0
    assert after == before


def test_a_folder_that_does_not_come_back_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_LOST_SECONDS", 0.05)
    Folder(monkeypatch, tmp_path / "away", errno.ESTALE)

    with pytest.raises(LogError, match=f"found at .*: {os.strerror(errno.ESTALE)}"):
        train(tmp_path / "away")


def test_a_full_disk_is_told_at_once(tmp_path, monkeypatch):
    folder = Folder(monkeypatch, tmp_path / "away", errno.ENOSPC)

    with pytest.raises(LogError, match=f"must be writable, found at .*: {os.strerror(errno.ENOSPC)}"):
        files.write_whole(tmp_path / "away" / "x", b"1", "The store")
    assert folder.refused == 1
