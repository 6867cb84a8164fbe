"""benchmarks/outside: from logs of others to the page. Truth: excerpts planted here; the whole, where it is at hand."""

import json
import math
import os
import tarfile
from pathlib import Path

import pytest

from benchmarks.outside.__main__ import main
from benchmarks.outside.facts import FACTS
from benchmarks.outside.sources import DEEPOBS, STABILITY

HOME = os.environ.get("MSTUDY_OUTSIDE")


def stability(home, growth):
    """SGD, heavy ball and Nesterov at four batch sizes; the advantage grows by `growth` a doubling of b."""
    folder = home / STABILITY
    folder.mkdir(parents=True)
    for name, mu, nesterov in (("SGD", 0.0, False), ("SGD_m", 0.9, False), ("SGD_nest", 0.9, True)):
        for b in (8, 64, 256, 1024):
            per_epoch = 8192 // b
            advantage = growth * math.log2(b / 8) + 0.01 * math.log2(b) ** 0.5 if mu else 0.0
            steps = range(0, 15_000, 256)
            lines = [
                f"Epoch {1 + s // per_epoch}, Step {s % per_epoch}: Total lambda max = {100 + s / 100:.3f}, "
                f"Loss = {math.exp(-s / (5000 + b + nesterov) - advantage)} !!!"
                for s in steps
            ]
            about = {"optimizer": "SGD", "lr": 0.01 * (1 - mu), "momentum": mu, "nesterov": nesterov, "batch": b}
            about |= {"init_seed": 1, "num_data": 8192, "model": "mlp", "dataset": "cifar10", "loss": "mse"}
            (folder / f"{name}_{b}.json").write_text(json.dumps(about))
            (folder / f"{name}_{b}.out").write_text("\n".join([*lines, ""]))


def deepobs(home, ratio_of, name="planted"):
    """An archive of one problem: SGD and heavy ball at twelve rates of equal η_ef, one seed; None is a run of NaN."""
    folder = home / name / name
    for mu, optimizer in ((0.0, "GradientDescentOptimizer"), (0.99, "MomentumOptimizer")):
        for k in range(12):
            eta_ef = 0.001 * 10 ** (k / 5)
            ratio = ratio_of(eta_ef) if mu == 0 else 0.0
            losses = [1.0] + [math.nan if ratio is None else math.exp(ratio - e / (20 + k)) for e in range(1, 21)]
            document = {"train_losses": losses, "optimizer": optimizer, "testproblem": name, "batch_size": 128}
            document |= {"minibatch_train_losses": [1.0] * 140, "num_epochs": 20, "learning_rate": eta_ef * (1 - mu)}
            document |= {"random_seed": 42, "hyperparams": {"momentum": mu, "use_nesterov": False} if mu else {}}
            place = folder / optimizer / f"lr_{k}" / "random_seed__42.json"
            place.parent.mkdir(parents=True)
            place.write_text(json.dumps(document))
    archive = home / DEEPOBS / f"{name}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, arcname=name)


def cells(text, start):
    """The cells of the one row of the page that begins so."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def wobble(eta_ef):
    """Noise that no neighbouring rate shares."""
    return 0.002 * math.sin(1e5 * eta_ef)


def test_excerpts_go_the_whole_way(tmp_path, capsys):
    stability(tmp_path, 0.2)
    deepobs(tmp_path, lambda eta_ef: wobble(eta_ef) if eta_ef < 0.03 else None)

    main([str(tmp_path)])
    text = capsys.readouterr().out

    sweep, planted = text.split("## `planted`")
    assert "Imported by `mstudy import text`: 12 runs" in sweep
    assert "Imported by `mstudy import deepobs`: 24 runs" in planted
    assert cells(sweep, "C3:")[1:3] == ["agrees", "unreplicated"]
    assert cells(sweep, "SGD and heavy ball alike at b = 8")[2:] == ["0.0173", "agrees"]
    # The excerpts are none of the logs that the facts are about, and the page says so.
    assert cells(sweep, "slope of heavy ball")[3] == "**does not agree**"
    assert [cells(planted, f"C{k}:")[1] for k in (1, 2)] == ["agrees", "agrees"]
    assert "Nothing was worked out by hand." in planted
    assert "No study here contradicts a claim of the paper." in text


def test_a_study_against_the_paper_is_named(tmp_path, capsys):
    """SGD is ahead by far more than the margin at every low rate, and SGDM's advantage falls with b."""
    stability(tmp_path, -0.2)
    deepobs(tmp_path, lambda eta_ef: wobble(eta_ef) - 0.4 if eta_ef < 0.03 else 0.3 + wobble(eta_ef))

    main([str(tmp_path)])
    text = capsys.readouterr().out

    assert f"`{STABILITY}` contradicts C3 of the paper" in text
    assert "`planted` contradicts C1 of the paper" in text


def test_a_folder_without_logs_is_refused(tmp_path):
    with pytest.raises(
        SystemExit, match=r"must hold stability_sweep_logs/\*.out or .* found neither in .*where to get"
    ):
        main([str(tmp_path)])


def test_the_folder_must_be_named(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "FOLDER must name the folder of the public logs, found none" in capsys.readouterr().err


def test_the_whole_agrees_with_what_was_worked_out_by_hand(capsys):
    if not HOME or not (Path(HOME) / STABILITY).is_dir():
        pytest.skip("the public logs are not here: MSTUDY_OUTSIDE names no folder that has them")
    main([HOME])
    text = capsys.readouterr().out
    assert "does not agree**" not in text
    assert all(f"## `{name}`" in text for name in FACTS)
