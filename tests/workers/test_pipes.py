"""Truth: a pipe whose other end is closed, as that of a worker that was killed."""

from multiprocessing import Pipe

import pytest
from mstudy.workers import local


@pytest.fixture
def broken_pipe():
    ours, theirs = Pipe()
    theirs.close()
    yield ours
    ours.close()


def test_a_task_for_a_worker_that_died_says_so(broken_pipe):
    with pytest.raises(local.WorkerDied):
        local._send(broken_pipe, b"")


def test_an_answer_from_a_worker_that_died_says_so(broken_pipe):
    with pytest.raises(local.WorkerDied):
        local._receive(broken_pipe)
