"""Truth: the bytes of a sweep that nobody disturbed. Real processes, real signals."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch
from mstudy.core.params import Cadence, Grid, Study
from mstudy.core.sharding.shard import Shard
from mstudy.train import stage as sweep
from mstudy.train.sweep.store import Store

CPU = torch.device("cpu")
STUDY = Study(
    n_train=256,
    model="mlp-tanh-32",
    batch_sizes=(16, "full"),
    eta_ef=Grid(0.05, 40.0, 4),  # some of them diverge
    momenta=(0.0, 0.9),
    seeds=2,
    steps=500,
    width=4,
    log=Cadence(dense_steps=60, growth=0.02, every={"sharpness": 3}),
)
PARAMS = """
studies:
  long: {n_train: 512, width: 4, batch_sizes: [32, 64], eta_ef: {low: 0.05, high: 0.2, points: 4},
    momenta: [0.0], seeds: 1, steps: 3000}
"""


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mstudy.train.stage", "sklearn.datasets"])
    return context


def start_sweep(processes, root, shard=None):
    """A process that trains what is missing, with a checkpoint after every fiftieth of a second."""
    arguments = (sweep.study_runs("s", STUDY), STUDY, Store(root), 1, CPU)
    how = {"checkpoint_seconds": 0.02, "shard": shard}
    process = processes.Process(target=sweep.train_missing, args=arguments, kwargs=how)
    process.start()
    return process


def finish(process):
    process.join(timeout=120)
    assert process.exitcode == 0


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


@pytest.fixture(scope="module")
def undisturbed(processes, tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    finish(start_sweep(processes, root))  # warms the fork server up
    again = tmp_path_factory.mktemp("again")
    start = time.monotonic()
    finish(start_sweep(processes, again))
    assert contents(again) == contents(root)
    return contents(root), time.monotonic() - start


def test_killed_at_twenty_random_moments_a_sweep_ends_in_the_same_bytes(processes, undisturbed, tmp_path):
    expected, seconds = undisturbed
    moments = random.Random(0)
    killed = 0
    for _ in range(20):
        process = start_sweep(processes, tmp_path)
        process.join(timeout=moments.uniform(0, seconds / 15))
        killed += process.is_alive()
        process.kill()
        process.join()

    finish(start_sweep(processes, tmp_path))

    assert killed == 20
    assert contents(tmp_path) == expected
    assert list((tmp_path / "checkpoints").glob("*.pt")) == []


def test_two_sweeps_on_one_store_do_no_harm(processes, undisturbed, tmp_path):
    pair = [start_sweep(processes, tmp_path) for _ in range(2)]

    for process in pair:
        finish(process)

    assert contents(tmp_path) == undisturbed[0]
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_of_two_shards_on_one_store_one_is_killed_and_begun_again(processes, undisturbed, tmp_path):
    expected, seconds = undisturbed
    killed, other = (start_sweep(processes, tmp_path, Shard(number, 2)) for number in (1, 2))
    killed.join(timeout=seconds / 3)
    assert killed.is_alive()
    killed.kill()
    killed.join()

    for process in (start_sweep(processes, tmp_path, Shard(1, 2)), other):
        finish(process)

    assert contents(tmp_path) == expected
    assert list((tmp_path / "checkpoints").glob("*.pt")) == []


def start_command(folder, workers, first="pass"):
    code = f"import sys; {first}; from mstudy.cli import app as cli; sys.argv[0] = 'mstudy'; cli.main()"
    command = [sys.executable, "-c", code, "train", "long", "--workers", str(workers)]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(path, pattern, process):
    while not list(path.glob(pattern)):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt_leaves_a_checkpoint_and_exits_130(tmp_path, workers):
    (tmp_path / "params.yaml").write_text(PARAMS)
    store = tmp_path / ".mstudy" / "store"
    process = start_command(tmp_path, workers)
    wait_for(store, "engines/*", process)
    time.sleep(1.0)

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: parent and workers alike
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("interrupted; all work done is kept in .mstudy/store")
    assert "Traceback" not in err
    assert list(store.glob("checkpoints/*.pt")) or list(store.glob("*.parquet"))


@pytest.mark.parametrize("seconds", [0.0, 0.002, 0.01])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_interrupt_at_once_ends_too(tmp_path, workers, seconds):
    (tmp_path / "params.yaml").write_text(PARAMS)
    process = start_command(tmp_path, workers)
    wait_for(tmp_path / ".mstudy" / "store", "engines/*", process)
    time.sleep(0.3)

    os.killpg(process.pid, signal.SIGINT)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert "Traceback" not in err


def test_a_full_disk_is_one_sentence_and_what_was_finished_stays(tmp_path):
    # A limit on file sizes: the logs fit, the larger checkpoints do not.
    (tmp_path / "params.yaml").write_text(PARAMS.replace("3000", "3").replace("[32, 64]", "[32]"))
    first = start_command(tmp_path, 1)
    first.communicate(timeout=60)
    store = tmp_path / ".mstudy" / "store"
    before = contents(store)
    (tmp_path / "params.yaml").write_text(PARAMS.replace("3000", "3"))

    second = start_command(tmp_path, 1, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))")

    _, err = second.communicate(timeout=60)
    assert (first.returncode, second.returncode, len(before)) == (0, 1, 4), err
    assert err.splitlines()[-1].startswith("error: A checkpoint must be writable, found at .mstudy/store/checkpoints/")
    assert contents(store) == before
    assert not list(store.rglob("*.tmp"))
