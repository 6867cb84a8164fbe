"""Truth: what the system says of itself; by hand."""

import ctypes

import pytest
import torch
from mstudy.curvature.network import Batch
from mstudy.train.ensemble import memory

CPU = torch.device("cpu")


def test_free_memory_is_between_nothing_and_all_there_is(monkeypatch):
    free = memory.free_bytes(CPU)
    assert 1e7 < free < 1e14

    monkeypatch.setattr(memory, "_MEMINFO", memory.Path("/nowhere/meminfo"))
    assert 1e7 < memory.free_bytes(CPU) < 1e14


def test_on_a_gpu_as_many_members_as_a_share_of_its_memory_holds(monkeypatch):
    class Network:
        def bytes_per_sample(self, batch):
            return 1000

    batch = Batch(torch.zeros(50, 1), torch.zeros(50, 1), shared=True)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 4e6)

    width = {n: memory.members_at_once(Network(), batch, n, torch.device("cuda")) for n in (20, 50, 4096)}

    assert width == {20: 50, 50: 20, 4096: 20}  # a quarter of 4 MB
    assert memory.members_at_once(Network(), batch, 20, CPU) is None
    monkeypatch.setattr(memory, "free_bytes", lambda device: 10.0)
    assert memory.members_at_once(Network(), batch, 20, torch.device("cuda")) == 1


@pytest.mark.parametrize("problem", [OSError, AttributeError, TypeError])
def test_another_c_library_is_left_alone(monkeypatch, problem):
    def absent(name):
        raise problem

    monkeypatch.setattr(ctypes, "CDLL", absent)

    memory.keep_freed_memory()


def test_the_c_library_is_told_once_a_parameter(monkeypatch):
    told = {}

    class Library:
        def mallopt(self, parameter, value):
            told[parameter] = value

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())

    memory.keep_freed_memory()

    assert told == {-3: 32 * 2**20, -1: 2**31 - 1, -2: 64 * 2**20}  # malloc.h: M_MMAP_THRESHOLD, M_TRIM_..., M_TOP_PAD
