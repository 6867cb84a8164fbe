"""Truth: stability lines by hand, and series that reach their line at a known step."""

import numpy as np
import pytest
from mstudy.core.params import Detect
from mstudy.core.theory import stability_line, stability_line_of
from mstudy.detect.all_runs import detect_sharpenings
from mstudy.detect.stability import find_stability
from mstudy.runlog.reading.reader import read_runs

STEPS = np.arange(0, 400, 2)
LOSS = np.exp(-0.01 * STEPS)


def find(curvature, line=10.0, **changes):
    return find_stability(STEPS, curvature, LOSS, line, Detect(**changes))


def test_the_line_of_the_critical_sharpness_is_that_of_the_step_whatever_the_optimizer():
    # Above 2/eta the step that is made is longer than the first that raises the loss.
    runs = [
        {"optimizer": optimizer, "momentum": momentum, "learning_rate": 0.1, "branch_of": branch_of}
        for optimizer, momentum, branch_of in (("sgd", 0.0, None), ("heavy_ball", 0.9, None), ("sgd", 0.0, "another"))
    ]

    assert [stability_line_of(run, "critical_sharpness") for run in runs] == [20.0, 20.0, None]
    assert [stability_line_of(run, "sharpness") for run in runs] == [20.0, pytest.approx(38.0), None]


def test_detection_judges_the_critical_sharpness_by_its_own_line(save_run, tmp_path):
    at_its_line = {"step": STEPS, "loss": LOSS, "critical_sharpness": np.full(len(STEPS), 2 / 0.1)}
    save_run(at_its_line, learning_rate=0.1, momentum=0.9, optimizer="heavy_ball")
    folder = read_runs(tmp_path / "runs")

    found = detect_sharpenings(folder.runs, folder.points, Detect(quantity="critical_sharpness")).sharpenings

    assert found["stability_status"].to_list() == ["reached"]


def test_lines_by_hand():
    assert stability_line("sgd", 0.5, 0.0) == 4.0
    assert stability_line("heavy_ball", 0.1, 0.9) == pytest.approx(38.0)
    assert stability_line("nesterov", 0.1, 0.5) == pytest.approx(15.0)


@pytest.mark.parametrize("optimizer, momentum", [("sgd", 0.0), ("heavy_ball", 0.9), ("nesterov", 0.9)])
def test_on_a_quadratic_the_line_parts_decay_from_growth(optimizer, momentum):
    # An independent route: iterate the update rule on 1/2 k w^2 just below and just above the line.
    def final(k, eta=0.1):
        w, v = 1.0, 0.0
        for _ in range(3000):
            v = momentum * v + k * w
            w -= eta * (k * w + momentum * v if optimizer == "nesterov" else v)
        return abs(w)

    line = stability_line(optimizer, 0.1, momentum)
    assert final(0.99 * line) < 1e-3
    assert final(1.01 * line) > 1e3


def test_a_branch_has_no_line(save_run, tmp_path):
    at_its_line = {"step": STEPS, "loss": LOSS, "directional_curvature": np.full(len(STEPS), 2 / 0.1)}
    save_run(at_its_line, run_id="sgd", learning_rate=0.1)
    save_run(at_its_line, run_id="branch", learning_rate=0.1, branch_of="sgd", intervention={"kind": "x", "step": 9})

    folder = read_runs(tmp_path / "runs")
    found = detect_sharpenings(folder.runs, folder.points, Detect()).sharpenings

    assert dict(found.select("run_id", "stability_status").iter_rows()) == {"sgd": "reached", "branch": "no_line"}


def test_an_optimizer_without_a_line_has_none(save_run, tmp_path, mystery):
    at_its_line = {"step": STEPS, "loss": LOSS, "directional_curvature": np.full(len(STEPS), 2 / 0.1)}
    save_run(at_its_line, learning_rate=0.1, momentum=0.9, optimizer=mystery.name)

    folder = read_runs(tmp_path / "runs")
    found = detect_sharpenings(folder.runs, folder.points, Detect()).sharpenings

    assert found.select("stability_status", "stability_step").rows() == [("no_line", None)]


def test_the_first_step_near_the_line_is_found(rng):
    curvature = np.where(STEPS < 150, 1.0, 10.0) * np.exp(rng.normal(0, 0.1, len(STEPS)))

    assert find(curvature).step == 150.0


def test_a_pass_through_the_band_does_not_count():
    assert find(np.geomspace(0.1, 1000, len(STEPS))).status == "none"


def test_passing_visits_do_not_count_but_a_few_excursions_may():
    curvature = np.where(STEPS < 150, 1.0, 10.0)
    curvature[10:13] = 10.0
    curvature[100:190:10] = 0.1

    assert find(curvature).step == 150.0
    assert find(curvature, band_share=1.0).step == 362.0


def test_a_run_near_the_line_from_the_start_has_its_first_step():
    assert find(np.full(len(STEPS), 9.0)).step == 0.0


def test_the_band_is_a_parameter():
    assert find(np.full(len(STEPS), 6.0), band_factor=1.5).status == "none"
    assert find(np.full(len(STEPS), 6.0), band_factor=2.0).status == "reached"


def test_what_cannot_be_told_is_not_told():
    assert find(np.full(len(STEPS), np.nan)).status == "no_curvature"
    few = find_stability(STEPS[:20], np.full(20, 9.0), LOSS[:20], 10.0, Detect())
    assert few.status == "too_short"
