"""What a probe says when Python ends, seen from outside: the standard error of a process."""

import subprocess
import sys

import pytest

START = """
import torch, mstudy
def bad(module, batch):
    raise OSError("no more files")
def train(keep):
    module, data = torch.nn.Linear(2, 1), torch.ones(4, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    probe = mstudy.CurvatureProbe(module, bad, data, optimizer)
    for _ in range(3):
        module(data).mean().backward()
        optimizer.step()
    optimizer.itself = optimizer  # garbage that only a collection finds
    return optimizer if keep else None
"""


@pytest.mark.parametrize(
    ("end", "n_told"),
    [
        ("kept = train(keep=True)", 1),
        ("kept = [train(keep=True), train(keep=True)]", 1),  # the same sentence of two probes
        ("train(keep=False)", 0),
    ],
)
def test_at_the_end_of_python_a_probe_that_is_held_says_one_clean_sentence(tmp_path, end, n_told):
    script = tmp_path / "train.py"
    script.write_text(f"{START}{end}\n")

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    lines = [line for line in done.stderr.splitlines() if "measurements lack values" in line]
    assert len(lines) == n_told
    assert all(line.startswith("CurvatureProbe: 3 of 3 measurements lack values; in 3 of them: ") for line in lines)
    assert f"{script}:" in done.stderr and "optimizer.step()" in done.stderr  # where it was said first
