"""Public logs of others, where MSTUDY_OUTSIDE names a folder that holds them, unpacked or not.

Truth: facts worked out by hand from the files, by code of another kind.
"""

import math
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from mstudy.importers.kinds import KINDS
from mstudy.importers.mapping import Mapping
from mstudy.importers.run_import import plan_import

HOME = Path(os.environ.get("MSTUDY_OUTSIDE") or "nowhere")
PATTERN = "Step {step}: .*lambda max = {sharpness}, Loss = {loss}"


def place(name):
    if not (HOME / name).is_dir():
        pytest.skip(f"the logs {name} are not here: MSTUDY_OUTSIDE names no folder that has them")
    return HOME / name


def imported(kind, source, **sections):
    (wanted,) = [each for each in KINDS if each.name == kind]
    return plan_import(wanted, source, Mapping(**sections))


def final(run):
    """The geometric mean of the losses of the last tenth."""
    steps, loss = run.columns["step"], run.columns["loss"]
    return math.exp(np.log(loss[steps >= 0.9 * steps[-1]]).mean())


def test_text_logs_of_a_stability_sweep():
    """SGD, heavy ball and Nesterov at four batch sizes; steps begin again in each epoch of 8,192 samples."""
    plan = imported("text", place("stability_sweep_logs"), patterns=(PATTERN,))

    assert (len(plan.runs), plan.problems) == (12, {})
    runs = {(r.metadata["optimizer"], r.metadata["batch_size"]): r for r in plan.runs.values()}
    for (optimizer, _), run in runs.items():
        steps = run.columns["step"]
        assert (np.diff(steps) % 256 == 0).all()
        assert steps[0] == 0 and 149_000 < steps[-1] <= 150_300
        assert len(run.columns["sharpness"]) >= 586
        assert run.metadata["learning_rate"] == (0.01 if optimizer == "sgd" else 0.001)
        assert run.metadata["momentum"] == (0.0 if optimizer == "sgd" else 0.9)
        assert run.metadata["n_train"] == 8192
    right = {"sgd": (0.00319, 4.21e-4, 2.63e-4, 3.56e-4), "heavy_ball": (0.00309, 1.52e-4, 3.59e-5, 2.07e-5)}
    right["nesterov"] = (0.00288, 1.06e-4, 6.53e-5, 9.12e-5)
    for optimizer, finals in right.items():
        found = [final(runs[optimizer, batch]) for batch in (8, 64, 256, 1024)]
        assert found == pytest.approx(finals, rel=0.01)


@pytest.mark.parametrize(("problem", "per_epoch"), [("quadratic_deep", 7), ("cifar10_3c3d", 390)])
def test_baselines_of_deepobs(tmp_path, problem, per_epoch):
    archive = place("deepobs_baselines") / f"{problem}.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")

    plan = imported("deepobs", tmp_path)

    assert (len(plan.runs), plan.problems) == (90, {})
    assert {int(run.columns["step"][1]) for run in plan.runs.values() if len(run.columns["step"]) > 1} == {per_epoch}
    ends = {}
    for run in plan.runs.values():
        about = run.metadata
        if about["seed"] == 42 and about["status"] == "completed":
            key = (about["optimizer"], float(f"{about['learning_rate'] / (1 - about['momentum']):.3g}"))
            ends[key] = float(np.log(run.columns["loss"][-10:]).mean())
    right = {0.001: -0.002, 0.00631: 0.018, 0.0158: 0.043, 0.0251: 0.055, 0.0398: 0.073, 0.0631: 0.069}
    for rate, log_ratio in right.items() if problem == "cifar10_3c3d" else ():
        assert ends["sgd", rate] - ends["heavy_ball", rate] == pytest.approx(log_ratio, abs=0.0006)
    assert ("sgd", 0.1) not in ends
