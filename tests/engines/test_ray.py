"""Truth: the bytes of a sweep by one process here. One session of Ray for all, since each takes seconds to start."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.store import Store
from mstudy.workers.local import LocalExecutor

from tests.engines.processes import living
from tests.engines.study import contents, forty_tasks, runs_timed

pytest.importorskip("ray", reason="Ray is not installed: pip install 'mstudy[ray]'")


def test_a_sweep_on_ray_of_which_a_worker_and_at_last_the_parent_are_killed(tmp_path):
    code = "import sys; from tests.engines.ray_session import main; main(sys.argv[1])"
    with (tmp_path / "facts.json").open("w") as facts_file:
        command = [sys.executable, "-c", code, str(tmp_path)]
        session = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=facts_file)
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
    assert runs_timed(tmp_path / "store") == runs_timed(here.root)  # each once
    assert facts["same_search"]
    assert facts["interrupted"] and facts["checkpoints"] == 2  # what was under way, saved when asked to end
