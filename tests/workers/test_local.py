"""Truth: what the function gives when called here."""

import os
import pickle
import time

import pytest
from mstudy.workers.executor import in_order
from mstudy.workers.local import LocalExecutor
from mstudy.workers.stopping import stop_requested


@pytest.fixture
def pair():
    with LocalExecutor(2) as executor:
        yield executor


def wait_until(end):
    time.sleep(max(0.0, end - time.time()))
    return time.time()


def what_no_pipe_takes(_):
    return lambda: None


def until_asked(_):
    while not stop_requested():
        time.sleep(0.01)
    return "asked"


def fail_if_odd(number):
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def test_each_device_of_a_node_has_a_process_that_sees_it_alone():
    devices = [{"CUDA_VISIBLE_DEVICES": name} for name in ("4", "GPU-7")]  # simulated: CPUs under their names
    with LocalExecutor(2, environments=devices) as executor:
        seen = list(executor.work(os.getenv, ["CUDA_VISIBLE_DEVICES"] * 2))

    assert sorted(name for _, name in seen) == ["4", "GPU-7"]
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_no_unit_is_begun_too_far_ahead_of_one_that_takes_long(pair):
    list(pair.work(abs, [1, 2]))  # both are there
    end = time.time() + 0.4

    done = dict(pair.work(wait_until, [end] + [0.0] * 5, ahead=3))

    assert max(done[1], done[2]) < end <= min(done[3], done[4], done[5])


def test_results_come_when_they_are_done_and_can_be_put_in_order(pair):
    end = time.time() + 0.4

    done = list(pair.work(wait_until, [end, 0.0, 0.0]))

    assert [place for place, _ in done] == [1, 2, 0]
    assert list(in_order(iter(done))) == [result for _, result in sorted(done)]


def test_what_a_unit_raises_is_raised_here_with_its_place_in_the_code(pair):
    with pytest.raises(ValueError, match="3 is odd") as raised:
        list(pair.work(fail_if_odd, [2, 4, 3, 6]))

    assert "in fail_if_odd" in raised.value.__notes__[0]
    assert pair._crew == []


def test_a_result_that_cannot_travel_is_a_fault_and_no_death(pair):
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        list(pair.work(what_no_pipe_takes, [1, 2]))


@pytest.mark.parametrize("count", [1, 2])
def test_units_under_way_are_told_that_they_are_to_end(count):
    with LocalExecutor(count) as executor:
        executor.stop.value = True
        assert list(executor.work(until_asked, [1, 2])) in ([(0, "asked"), (1, "asked")], [(1, "asked"), (0, "asked")])
    assert not stop_requested()
