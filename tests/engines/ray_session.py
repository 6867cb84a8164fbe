"""One session of Ray, a program of its own, whose last step is its death."""

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

from mstudy.core.engines.engine_params import Engine
from mstudy.core.params import Detect
from mstudy.detect import stage as detect
from mstudy.runlog.format.schema import UNDER_WAY
from mstudy.runlog.reading.reader import read_runs
from mstudy.train.sweep.job import Task
from mstudy.train.sweep.output import materialise
from mstudy.train.sweep.pool import train_tasks
from mstudy.train.sweep.processes.crew import crew_of
from mstudy.train.sweep.store import Store
from mstudy.workers.ordered import Workers

from tests.engines.processes import below
from tests.engines.study import forty_tasks

KILL_AT = 5  # runs


def workers_of_ray():
    return [
        number
        for number, command in below(os.getpid()).items()
        if command.startswith(("ray::_answer_there", "ray::IDLE"))
    ]


def train(store, executor):
    done = []

    def kill_one_in_between(n):
        done.append(n)
        if len(done) == KILL_AT:
            os.kill(workers_of_ray()[0], signal.SIGKILL)

    train_tasks(store, forty_tasks(), executor, kill_one_in_between)
    return sum(done)


def search(runs, workers):
    return detect.search_runs(read_runs(str(runs), workers=workers), Detect(), workers)


def stop_in_between(store, executor):
    """Train without end, and ask for an end once both processes have begun. Return whether that was an interrupt."""
    tasks = [Task([replace(task.runs[0], steps=10**6)], task.source) for task in forty_tasks()[:2]]
    threading.Thread(target=ask_when_begun, args=(store, executor), daemon=True).start()
    try:
        train_tasks(store, tasks, executor, lambda n: None)
    except KeyboardInterrupt:
        return True
    return False


def ask_when_begun(store, executor):
    while len(list((store.root / UNDER_WAY).glob("*"))) < 2:
        time.sleep(0.02)
    executor.stop.value = True


def main(name):
    folder = Path(name)
    store = Store(folder / "store")
    store.create()
    detect._MIN_RUNS_FOR_WORKERS = 1
    with crew_of(Engine("ray"), store, 2, "auto") as crew:
        facts = {"device": crew.device, "count": crew.count, "trained": train(store, crew.executor)}
        runs = folder / "runs"
        materialise(store, "s", [path.stem for path in store.root.glob("*.parquet")], runs)
        there = search(runs, Workers(executor=crew.executor))
        facts["same_search"] = there.equals(search(runs, Workers()))
        facts["interrupted"] = stop_in_between(store, crew.executor)
        facts["checkpoints"] = len(list(store.root.glob("checkpoints/*.pt")))
        print(json.dumps(facts | {"workers": workers_of_ray()}), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
