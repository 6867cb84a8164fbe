"""Truth: the bytes of a sweep by one process here. One session of Ray for all, since each takes seconds to start."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mstudy.core.engines.engine_params import Ray
from mstudy.core.errors import ConfigError
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.store import Store
from mstudy.workers import on_ray
from mstudy.workers.executor import WorkerDied
from mstudy.workers.local import LocalExecutor
from mstudy.workers.on_ray import RayExecutor

from tests.engines.processes import living
from tests.engines.study import assert_none_twice, contents, forty_tasks, runs_timed

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'mstudy[ray]'")


def test_a_sweep_on_ray_of_which_a_worker_and_at_last_the_parent_are_killed(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('a module of the current folder was taken')")
    code = "import sys; from tests.engines.ray_session import main; main(sys.argv[1])"
    with (tmp_path / "facts.json").open("w") as facts_file:
        command = [sys.executable, "-P", "-c", code, str(tmp_path)]
        around = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        session = subprocess.Popen(command, cwd=tmp_path, stdout=facts_file, env=around)
    here = Store(tmp_path / "here")
    here.create()
    with LocalExecutor(1) as executor:
        train_tasks(here, forty_tasks(), executor, lambda n: None)

    try:
        session.wait(timeout=180)
    finally:
        session.kill()

    end = time.monotonic() + 5
    facts = json.loads((tmp_path / "facts.json").read_text().splitlines()[-1])
    while (alive := set(facts["workers"]) & set(living())) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive == set() and len(facts["workers"]) >= 2
    assert (facts["device"], facts["count"], facts["trained"]) == ("cpu", 2, 40)
    assert contents(tmp_path / "store") == contents(here.root)
    assert_none_twice(runs_timed(tmp_path / "store"), lost=1)
    assert facts["same_search"]
    assert facts["interrupted"] and facts["checkpoints"] == 2  # what was under way, saved when asked to end


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch):
    def refuse(**options):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ConfigError, match="--address must lead to a running Ray cluster, .* found 'auto': 'Could not"):
        RayExecutor(Ray("auto"), 2).__enter__()


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            ray.exceptions.RayTaskError("f", "", ModuleNotFoundError("No module named 'mstudy'")),
            ConfigError,
            "Every node of the Ray cluster must have the mstudy of this machine, found .*No module named 'mstudy'",
        ),
        (ray.exceptions.WorkerCrashedError(), WorkerDied, None),
    ],
)
def test_a_node_without_mstudy_is_told_from_one_that_is_lost(monkeypatch, error, kind, sentence):
    def fail(reference):
        raise error

    monkeypatch.setattr(ray, "get", fail)
    with pytest.raises(kind, match=sentence):
        on_ray._fetched(None)
