"""Runs under way. Truth: what was logged; the detector asked of the finished log; times by hand."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from mstudy import RunLogger
from mstudy.analyze import read_logs
from mstudy.core.errors import LogError
from mstudy.core.params import Detect
from mstudy.core.statuses import WatchStatus
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.runlog.recording.journal import head_line, row_line
from mstudy.watch import watching
from mstudy.watch.folder import WatchedFolder
from mstudy.watch.judging import Judge
from mstudy.watch.pace import Pace
from mstudy.watch.tail import Tail
from mstudy.watch.watching import Watch, look_once

ABOUT = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 8, "seed": 0}


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def logger(runs):
    """Open the log of a run: logger(name, **about). All are closed at the end."""
    opened = []

    def open_log(name="a", **about):
        opened.append(RunLogger(runs / f"{name}.parquet", **(ABOUT | about)))
        return opened[-1]

    yield open_log
    for log in opened:
        log._journal.close()


def log(run, steps, jump=None):
    """A row a step; the curvature, half of the line's, is twenty times as much from `jump` on."""
    rng = np.random.default_rng(0)
    for step, noise in zip(steps, np.exp(rng.normal(0, 0.05, len(steps))), strict=True):
        level = 20.0 if jump is not None and step >= jump else 1.0
        run.log(step, 1 / (1 + step), directional_curvature=level * noise)


def lines(runs, silent_after=60.0):
    return {line.run: line for line in look_once(runs, Detect(), silent_after).lines}


def test_a_run_under_way_is_told_as_far_as_it_is(runs, logger):
    run = logger(steps=1000)
    log(run, range(30))

    line = lines(runs)["a"]

    assert (line.status, line.step, line.steps, line.loss) == ("under_way", 29, 1000, 1 / 30)
    assert line.curvature_over_line == pytest.approx(1 / 20, rel=0.3)  # the line is 2 / 0.1
    assert (line.batch_size, line.eta_ef, line.momentum, line.seed) == (8, 0.1, 0.0, 0)
    assert (line.seconds_left, line.sharpened_step) == (None, None)


def test_the_step_of_sharpening_is_that_of_the_finished_log(runs, logger):
    run = logger()
    log(run, range(300), jump=120)

    line = lines(runs)["a"]

    run.finish()
    logs = read_logs(runs)
    found = detect_sharpenings(logs.runs, logs.series(), Detect()).sharpenings
    assert line.sharpened_step == found["step"][0] == pytest.approx(120, abs=2)
    assert line.factor == found["jump"][0]


def test_only_what_is_new_is_read(runs, monkeypatch, logger):
    run = logger()
    log(run, range(50))
    folder = WatchedFolder(runs, 60.0)
    folder.look()
    (watched,) = folder.runs.values()
    read = []
    monkeypatch.setattr(watched.run, "take", lambda appended: read.append(appended))

    folder.look()
    assert read == []
    run.log(50, 0.5)
    folder.look()

    assert [(len(appended.lines), appended.anew) for appended in read] == [(1, False)]


def test_the_detector_is_asked_again_when_a_run_has_grown_and_not_at_every_look(runs, logger):
    run = logger()
    log(run, range(100))
    folder, judge, asked = WatchedFolder(runs, 60.0), Judge(Detect()), []
    judge_run = judge._judge
    judge._judge = lambda name, watched: (asked.append(watched.run.n_rows), judge_run(name, watched))

    for step in range(100, 110):
        folder.look()
        judge.judge(folder.runs.items())
        run.log(step, 0.5, directional_curvature=1.0)

    assert asked == [100, 104, 108]  # at least four rows


def test_the_judge_keeps_to_its_share_and_goes_on_with_the_one_that_waited_longest(runs, logger):
    some = [logger(name, seed=seed) for seed, name in enumerate("abc")]
    for run in some:
        log(run, range(50))
    folder, judge = WatchedFolder(runs, 60.0), Judge(Detect())
    folder.look()
    judge._allowance._saved, judge._allowance._share = 1e-9, 0.0

    judge.judge(folder.runs.items())
    assert list(judge.found) == ["a.journal.jsonl"]
    judge._allowance._saved = 1e-9
    judge.judge(folder.runs.items())

    assert list(judge.found) == ["a.journal.jsonl", "b.journal.jsonl"]


def test_runs_that_have_not_sharpened_are_judged_before_those_that_have(logger, runs):
    some = [logger(name, seed=seed) for seed, name in enumerate("ab")]
    log(some[0], range(200), jump=100)
    log(some[1], range(200))
    folder, judge = WatchedFolder(runs, 60.0), Judge(Detect())
    folder.look()
    judge.judge(folder.runs.items())
    for run in some:
        log(run, range(200, 220))
    folder.look()
    judge._allowance._saved, judge._allowance._share = 1e-9, 0.0

    judge.judge(folder.runs.items())

    assert judge._judged_at == {"a.journal.jsonl": 200, "b.journal.jsonl": 220}


def test_what_became_of_a_run_is_told_when_its_journal_is_gone(runs, logger):
    ended, diverged, interrupted, gone = (logger(name, seed=k) for k, name in enumerate("edig"))
    for run in (ended, diverged, interrupted, gone):
        log(run, range(60))
    watch = Watch(runs, Detect(), 60.0)
    watch.look()

    log(ended, range(60, 70))
    ended.finish()
    diverged.mark_diverged(60)
    diverged.finish()
    interrupted.finish("interrupted")
    gone._journal.remove()
    told = {line.run: line for line in watch.look().lines}

    assert {name: line.status for name, line in told.items()} == {
        "e": WatchStatus.COMPLETED,
        "d": WatchStatus.DIVERGED,
        "i": WatchStatus.INTERRUPTED,
        "g": WatchStatus.GONE,
    }
    assert (told["e"].step, told["d"].diverged_step) == (69, 60)
    assert watching.told(told["g"]) == "its journal is gone, and it left no log"
    assert lines(runs) == {}


def test_the_log_of_a_sweeps_run_lies_above_its_journal(runs, logger):
    run = logger("under_way/a")
    log(run, range(60))
    watch = Watch(runs, Detect(), 60.0)
    watch.look()

    run.finish()
    os.replace(runs / "under_way" / "a.parquet", runs / "a.parquet")
    look = watch.look()

    assert [line.status for line in look.lines] == ["completed"]


def test_a_run_that_stops_writing_is_silent_and_speaks_again(runs, logger):
    run = logger()
    log(run, range(5))
    os.utime(runs / "a.journal.jsonl", (time.time() - 4000,) * 2)
    watch = Watch(runs, Detect(), 60.0)

    (line,) = watch.look().lines
    assert (line.status, watching.told(line)) == ("silent", "silent for 1.1 h")
    run.log(5, 0.5)
    (line,) = watch.look().lines

    assert (line.status, watching.told(line)) == ("under_way", "")


def test_a_run_that_writes_rarely_is_silent_after_five_of_its_pauses():
    pace = Pace(silent_after=60.0)
    for written in (0.0, 100.0, 200.0):
        pace.note(written, int(written))

    assert (pace.is_silent(499.0), pace.is_silent(501.0)) == (False, True)


def test_the_time_left_is_that_of_the_steps_left_at_the_pace_so_far():
    pace = Pace(60.0)
    assert pace.seconds_left(100) is None
    pace.note(1000.0, 0)
    assert pace.seconds_left(100) is None
    pace.note(1010.0, 20)

    assert pace.seconds_left(100) == 40.0  # two steps a second, 80 left
    assert pace.seconds_left(None) is None
    pace.note(1020.0, 10)  # taken up again from before
    assert pace.seconds_left(100) is None


def test_the_pace_is_that_of_the_last_two_minutes():
    pace = Pace(60.0)
    for second in range(0, 400, 10):
        pace.note(float(second), second if second < 200 else 200 + 10 * (second - 200))

    assert pace.seconds_left(2200) == pytest.approx(10.0)  # ten steps a second since second 200, 100 left


def test_a_tail_gives_whole_lines_once(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n3")
    tail = Tail(path)

    assert (tail.read().lines, tail.read().lines) == ([b"1", b"2"], [])
    with path.open("ab") as file:
        file.write(b"3\n")
    assert tail.read().lines == [b"33"]


@pytest.mark.parametrize("content", [b"", b"9\n", b"9\n8\n7\n6\n5\n"], ids=["empty", "shorter", "longer"])
def test_a_tail_sees_that_a_file_was_begun_anew(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(b"1\n2\n")
    tail = Tail(path)
    tail.read()

    path.write_bytes(content)
    appended = tail.read()

    assert (appended.lines, appended.anew) == (content.splitlines(), True)


def test_a_run_that_is_taken_up_again_replaces_its_rows(runs, logger):
    run = logger()
    log(run, range(20))
    watch = Watch(runs, Detect(), 60.0)
    watch.look()
    run._journal.close()

    again = logger()
    again.log(10, 0.25, sharpness=3.0)
    (line,) = watch.look().lines

    assert (line.step, line.loss) == (10, 0.25)
    (watched,) = watch.folder.runs.values()
    np.testing.assert_equal(watched.run.column("sharpness"), [np.nan] * 10 + [3.0])


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (row_line({"step": 0, "loss": 1.0}), "A journal must begin with 'mstudy', found a row first, in "),
        (head_line({"seed": 0}), "must"),
        (head_line(ABOUT) + b"{}\n", "Each row of a journal must have step, found []"),
        (head_line(ABOUT | {"optimizer": "adam"}), "optimizer"),
    ],
)
def test_a_journal_that_cannot_be_read_is_told_and_the_others_go_on(runs, content, fault, logger):
    run = logger()
    run.log(0, 1.0)
    (runs / "bad.journal.jsonl").write_bytes(content)

    told = {line.status: line for line in look_once(runs, Detect(), 60.0).lines}

    assert set(told) == {"under_way", "unreadable"}
    assert fault in told["unreadable"].fault


def test_once_prints_a_table(mstudy, runs, logger):
    run = logger()
    log(run, range(300), jump=120)
    os.utime(runs / "a.journal.jsonl", (time.time() - 4000,) * 2)

    code, out, _ = mstudy("watch", runs, "--once")

    assert code == 0
    assert "sharpened at step 119 (× 19.3); silent for 1.1 h" in " ".join(out.split())
    assert "1 silent, 1 sharpened; 0 finished logs in" in " ".join(out.split())
    code, out, _ = mstudy("watch", runs, "--once", "--silent-after", "5000")
    assert "1 under way" in out


def test_once_json_is_one_object(mstudy, runs, logger):
    run = logger()
    run.log(0, 1.0)

    told = json.loads(mstudy("watch", runs, "--once", "--json")[1])

    assert (told["schema"], told["n_finished"], [line["status"] for line in told["runs"]]) == (1, 0, ["under_way"])


def test_where_no_run_is_under_way_it_is_said_where_those_of_a_sweep_are(mstudy, save_run, runs):
    save_run()

    code, out, _ = mstudy("watch", runs, "--once")

    assert code == 0
    assert "no run is under way in" in out and ".mstudy/store" in " ".join(out.split())


def test_a_folder_that_is_not_there_is_one_sentence(mstudy, tmp_path):
    assert mstudy("watch", tmp_path / "none", "--once") == (
        1,
        "",
        f"error: The runs folder must exist, found none at {tmp_path / 'none'}.\n",
    )


def test_json_is_of_one_look(mstudy, tmp_path):
    assert mstudy("watch", tmp_path, "--json")[0] == 2


@pytest.fixture
def looks(monkeypatch):
    """Do something before each further look, and end by Ctrl-C: looks(first, second, ...)."""

    def set_up(*actions):
        waiting = iter(actions)

        def sleep(seconds):
            assert seconds == 2.0
            action = next(waiting, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        monkeypatch.setattr(watching.time, "sleep", sleep)

    return set_up


def test_where_there_is_no_terminal_each_event_is_a_line(mstudy, runs, looks, logger):
    run = logger()
    log(run, range(100), jump=120)
    looks(lambda: log(run, range(100, 300), jump=120), lambda: None, run.finish, lambda: None)

    code, out, _ = mstudy("watch", runs)

    assert code == 0
    first, second = out.splitlines()
    assert first.startswith("a: sharpened at step 119 ") and second == f"{first}; completed"


def test_a_terminal_shows_as_many_runs_as_fit(mstudy, runs, looks, monkeypatch, logger):
    some = [logger(f"r{seed}", seed=seed) for seed in range(9)]
    log(some[8], range(300), jump=120)
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "120", "LINES": "7"}.items():
        monkeypatch.setenv(name, value)
    looks(lambda: None)

    code, out, _ = mstudy("watch", runs)

    assert code == 0
    told = " ".join(out.split())
    assert "r8" in out and "sharpened at step 119" in told and "9 under way, 1 sharpened, 6 not shown here" in told
    assert ["r0" in out, "r1" in out, "r2" in out] == [True, True, False]


def test_a_listing_that_fails_is_one_sentence(tmp_path):
    with pytest.raises(LogError, match="The runs folder must exist, found none at"):
        look_once(Path(tmp_path / "none"), Detect(), 60.0)
