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


def wait_for(path):
    end = time.monotonic() + 30
    while path and not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.01)
    if path:
        time.sleep(0.2)


def places_when_the_first_waits_for_two_others(executor, n, go, **how):
    """The places in the order in which they are done, where the first ends some time after two others."""
    places = []
    for place, _ in executor.work(wait_for, [str(go)] + [None] * (n - 1), **how):
        places.append(place)
        if len(places) == 2:
            go.touch()
    return places


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


def test_no_unit_is_begun_too_far_ahead_of_one_that_takes_long(pair, tmp_path):
    places = places_when_the_first_waits_for_two_others(pair, 6, tmp_path / "go", ahead=3)

    assert places[:3] == [1, 2, 0] and sorted(places) == list(range(6))


def test_whoever_is_done_gets_the_next_unit(pair, tmp_path):
    assert places_when_the_first_waits_for_two_others(pair, 5, tmp_path / "go") == [1, 2, 3, 4, 0]


def test_results_are_put_in_order():
    assert list(in_order(iter([(2, "c"), (0, "a"), (1, "b")]))) == ["a", "b", "c"]


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
