"""Progress that cannot be printed is not printed; the work goes on."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mstudy.core import boundary
from mstudy.workers.progress import Progress

COMMAND = Path(sys.executable).with_name("mstudy")
PARAMS = """
studies:
  t: {n_train: 64, model: mlp-tanh-8, width: 2, batch_sizes: [8, 16], eta_ef: {low: 0.1, high: 0.2, points: 2},
    momenta: [0.0, 0.9], seeds: 2, steps: 5}
"""


class Stream(io.StringIO):
    def __init__(self, problem):
        super().__init__()
        self.problem, self.n_writes = problem, 0

    def write(self, text):
        self.n_writes += 1
        raise self.problem


@pytest.mark.parametrize("problem", [BrokenPipeError(), OSError(28, "full"), ValueError("closed")])
def test_after_one_refusal_it_is_silent(problem):
    stream = Stream(problem)
    progress = Progress("work", 3, stream)

    for _ in range(3):
        progress.advance(1)

    assert stream.n_writes == 1


@pytest.mark.parametrize("stream", [None, io.StringIO()])
def test_no_stream_and_a_closed_one_are_silent(monkeypatch, stream):
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)

    Progress("work", 2).advance(2)
    boundary.say("a sentence")


@pytest.mark.parametrize(
    ("redirection", "workers"),
    [("2>&-", 2), ("2>/dev/full", 2), (">/dev/null 2>&1 <&-", 1), ("2>&1 >/dev/null | true", 1)],
)
def test_training_ends_well_whatever_stderr_is(tmp_path, redirection, workers):
    (tmp_path / "params.yaml").write_text(PARAMS)
    script = f"set -o pipefail; '{COMMAND}' train t --workers {workers} {redirection}"

    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, timeout=100, check=False, env=os.environ)

    assert done.returncode == 0
    assert len(list((tmp_path / "runs" / "t").iterdir())) == 16
