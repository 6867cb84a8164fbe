"""Truth: what the function gives when called here."""

import math
import os

import pytest
from mstudy.core.errors import LogError
from mstudy.workers import Workers, in_chunks


def test_results_come_in_order_and_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)

    with Workers(2) as workers:
        assert list(workers.map(math.sqrt, range(40), "roots")) == [math.sqrt(k) for k in range(40)]
        assert list(workers.map(os.getenv, ["OMP_NUM_THREADS", "POLARS_MAX_THREADS"], "threads")) == ["1", "1"]

    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "POLARS_MAX_THREADS" not in os.environ


def test_a_killed_process_is_one_sentence():
    with Workers(2) as workers, pytest.raises(LogError, match="found one killed while dying .*fewer --workers"):
        list(workers.map(os._exit, [1, 1, 1], "dying"))


def test_what_is_not_worthwhile_is_done_here():
    with Workers(2) as workers:
        assert list(workers.map(os.getenv, ["HOME"] * 2, "here", worthwhile=False)) == [os.environ["HOME"]] * 2
        assert workers._pool is None


def test_chunks_cover_everything_once():
    assert in_chunks(5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert in_chunks(0, 2) == []
