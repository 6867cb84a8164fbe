"""How many rows a second each importer reads, from files to a log's columns.

python -m benchmarks.speed.imports [--rows N]: Markdown to stdout. Processor time, the least of three.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import plan_import

from benchmarks.speed.events import write_events
from benchmarks.speed.timing import cpu, table

ROUNDS = 3
PATTERN = "step {step} loss {loss}"
FACTS = {"learning_rate": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0}
MEGABYTES_OF_EVENTS = 15.0


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _rows(n: int) -> list[tuple[int, float]]:
    return [(k, 2.0 / (k + 1)) for k in range(n)]


def _csv(folder: Path, n: int) -> None:
    _put(folder / "a.csv", "step,loss\n" + "".join(f"{k},{loss}\n" for k, loss in _rows(n)))


def _jsonl(folder: Path, n: int) -> None:
    _put(folder / "a.jsonl", "".join(f'{{"_step": {k}, "loss": {loss}}}\n' for k, loss in _rows(n)))


def _keras(folder: Path, n: int) -> None:
    _put(folder / "a.log", "epoch,loss,acc\n" + "".join(f"{k},{loss},0.5\n" for k, loss in _rows(n)))


def _lightning(folder: Path, n: int) -> None:
    _put(folder / "metrics.csv", "epoch,step,train_loss\n" + "".join(f"0,{k},{loss}\n" for k, loss in _rows(n)))


def _huggingface(folder: Path, n: int) -> None:
    rows = [{"step": k, "loss": loss, "epoch": k / 9} for k, loss in _rows(n)]
    _put(folder / "trainer_state.json", json.dumps({"log_history": rows}))


def _yolo(folder: Path, n: int) -> None:
    rows = "".join(f"{k},{loss},{loss}\n" for k, loss in _rows(n))
    _put(folder / "results.csv", "epoch,train/box_loss,train/cls_loss\n" + rows)


def _dvclive(folder: Path, n: int) -> None:
    text = "step\tloss\n" + "".join(f"{k}\t{loss}\n" for k, loss in _rows(n))
    _put(folder / "plots" / "metrics" / "train" / "loss.tsv", text)


def _sacred(folder: Path, n: int) -> None:
    steps, losses = zip(*_rows(n), strict=True)
    _put(folder / "metrics.json", json.dumps({"loss": {"steps": steps, "values": losses}}))


def _deepobs(folder: Path, n: int) -> None:
    losses = [loss for _, loss in _rows(n)]
    document = {"testproblem": "q", "train_losses": losses, "minibatch_train_losses": losses[1:]}
    _put(folder / "a.json", json.dumps(document))


def _cockpit(folder: Path, n: int) -> None:
    _put(folder / "a.json", json.dumps({str(k): {"Loss": loss} for k, loss in _rows(n)}))


def _text(folder: Path, n: int) -> None:
    _put(folder / "a.log", "".join(f"step {k} loss {loss} !\n" for k, loss in _rows(n)))


def _tensorboard(folder: Path, n: int) -> None:
    (folder / "a").mkdir(parents=True)
    write_events(folder / "a" / "events.out.tfevents.1.host", MEGABYTES_OF_EVENTS)


def _database(path: Path, script: str, insert: str, rows: list[tuple[object, ...]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as made:
        made.executescript(script)
        made.executemany(insert, rows)
        made.commit()


def _mlflow(folder: Path, n: int) -> None:
    script = (
        "CREATE TABLE runs (run_uuid, status, lifecycle_stage); CREATE TABLE params (key, value, run_uuid);"
        "CREATE TABLE metrics (key, value FLOAT, timestamp, run_uuid, step, is_nan);"
        "INSERT INTO runs VALUES ('a', 'FINISHED', 'active');"
    )
    rows: list[tuple[object, ...]] = [(loss, k, k) for k, loss in _rows(n)]
    _database(folder / "mlflow.db", script, "INSERT INTO metrics VALUES ('loss', ?, ?, 'a', ?, 0)", rows)


def _trackio(folder: Path, n: int) -> None:
    script = (
        "CREATE TABLE metrics (id INTEGER PRIMARY KEY, run_name, step, metrics);"
        "CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name, config);"
    )
    rows: list[tuple[object, ...]] = [(k, json.dumps({"loss": loss})) for k, loss in _rows(n)]
    insert = "INSERT INTO metrics (run_name, step, metrics) VALUES ('a', ?, ?)"
    _database(folder / "a.db", script, insert, rows)


WRITERS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "csv": ("csv", _csv),
    "csv, JSON lines": ("wandb", _jsonl),
    "tensorboard": ("tensorboard", _tensorboard),
    "mlflow": ("mlflow", _mlflow),
    "keras": ("keras", _keras),
    "lightning": ("lightning", _lightning),
    "huggingface": ("huggingface", _huggingface),
    "yolo": ("yolo", _yolo),
    "dvclive": ("dvclive", _dvclive),
    "trackio": ("trackio", _trackio),
    "sacred": ("sacred", _sacred),
    "deepobs": ("deepobs", _deepobs),
    "cockpit": ("cockpit", _cockpit),
    "text": ("text", _text),
}


def rows_a_second(kind_name: str, folder: Path) -> tuple[int, float]:
    """Return the rows of the log, and how many are read in a second."""
    (kind,) = [kind for kind in KINDS if kind.name == kind_name]
    values = FACTS | ({"steps_per_epoch": 10} if kind_name in ("keras", "yolo") else {})
    mapping = Mapping(values=values, patterns=(PATTERN,) if kind.has_pattern else ())
    times, n = [], 0
    for _ in range(ROUNDS):
        started = time.process_time()
        plan = plan_import(kind, folder, mapping)
        times.append(time.process_time() - started)
        n = sum(len(run.columns["step"]) for run in plan.runs.values())
    return n, n / min(times)


def main() -> None:
    """Measure each importer and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    n_rows = parser.parse_args().rows
    found = []
    for name, (kind, write) in WRITERS.items():
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), n_rows)
            n, speed = rows_a_second(kind, Path(folder))
            found.append([name, f"{n:,}", f"{speed:,.0f}"])
    print(f"Machine: {cpu()}.\n")
    print(table(["importer", "rows", "rows a second"], found))


if __name__ == "__main__":
    main()
