"""Truth: what the function gives when called here."""

import errno
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from mstudy.core.errors import LogError
from mstudy.workers.ordered import Workers, in_chunks


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


# Prints the ids of its two workers, each of which then works for a minute.
PARENT = """
import os, time
from mstudy.workers.ordered import Workers
if __name__ == "__main__":
    with Workers(2) as workers:
        list(workers.map(time.sleep, [0.0] * 8, "warming up"))
        print(*(worker.process.pid for worker in workers._executor._crew), flush=True)
        list(workers.map(time.sleep, [SECONDS] * 4, "sleeping"))
"""


def start_parent(tmp_path, seconds):
    program = tmp_path / "parent.py"
    program.write_text(PARENT.replace("SECONDS", str(seconds)))
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return parent, [int(word) for word in parent.stdout.readline().split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"  # a zombie waits for whoever adopted it
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc to look processes up in")
def test_workers_are_gone_within_five_seconds_after_their_parent_was_killed(tmp_path):
    parent, workers = start_parent(tmp_path, 60)
    assert len(workers) == 2
    assert all(map(is_alive, workers))

    parent.kill()
    parent.wait()
    parent.stdout.close()
    parent.stderr.close()

    end = time.monotonic() + 5
    while any(map(is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    alive = [pid for pid in workers if is_alive(pid)]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    assert alive == []


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc to look processes up in")
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_end_the_work_as_ctrl_c_does(tmp_path, kind):
    parent, workers = start_parent(tmp_path, 0.5)

    parent.send_signal(kind)
    _, err = parent.communicate(timeout=60)

    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert not any(map(is_alive, workers))


def test_signals_are_as_before_afterwards_and_one_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Workers(2):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_is_not_worthwhile_is_done_here():
    with Workers(2) as workers:
        assert list(workers.map(os.getenv, ["HOME"] * 2, "here", worthwhile=False)) == [os.environ["HOME"]] * 2
        assert workers._executor._crew == []


def test_chunks_cover_everything_once():
    assert in_chunks(5, 2) == [(0, 2), (2, 4), (4, 5)]
    assert in_chunks(0, 2) == []


def test_a_system_without_shared_memory_is_one_sentence(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(multiprocessing.get_context("spawn"), "RawValue", refuse)
    with (
        Workers(2) as workers,
        pytest.raises(LogError, match=r"\(/dev/shm\), found: Read-only file system; .*--workers 1"),
    ):
        list(workers.map(abs, [1, 2, 3], "x"))
