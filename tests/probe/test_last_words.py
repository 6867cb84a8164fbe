"""What a probe says when Python ends, seen from outside: the standard error of a process."""

import subprocess
import sys

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


def test_at_the_end_of_python_probes_that_are_held_say_one_clean_sentence(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(f"{START}held = [train(keep=True), train(keep=True)]\ntrain(keep=False)\n")

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)

    told = [line for line in done.stderr.splitlines() if "measurements lack values" in line]
    assert len(told) == 1
    assert told[0].startswith("CurvatureProbe: 3 of 3 measurements lack values; in 3 of them: ")
    assert f"{script}:" in done.stderr and "optimizer.step()" in done.stderr  # where it was said first
