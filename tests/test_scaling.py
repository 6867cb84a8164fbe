"""docs/scaling.md: its tables follow from the measured rates, and name what they say they name."""

import subprocess

import pytest

from benchmarks.speed import scale


def test_two_measurements_give_a_line():
    rate = scale.line_through([100, 300], [2.0, 3.0])

    assert (rate.each, rate.fixed, rate.of(1000)) == (pytest.approx(0.005), pytest.approx(1.5), pytest.approx(6.5))
    assert scale.line_through([100, 300], [3.0, 2.0]).each == 0  # what is lost in noise is nothing, and not a gain


def test_the_page_holds_what_the_rates_of_training_give():
    page = scale.PAGE.read_text()

    assert scale._training() in page
    between = page.partition(scale.BEGIN)[2].partition(scale.END)[0]
    assert all(f"| `{command}` |" in between for command in ("pack", "unpack", "analyze", "analyze packs", "validate"))
    assert all(f"{n:,}" in between for n in scale.SIZES)


def test_the_example_for_slurm_is_a_script():
    script = (scale.PAGE.parents[1] / "examples/clusters/slurm_train.sh").read_text()

    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    assert {line.split("=")[0] for line in script.splitlines() if line.startswith("#SBATCH")} >= {"#SBATCH --array"}
