"""Small sources in the form of each tool: its layout, as its own writer makes it. Each writes into a folder."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

LOSSES = [round(2.0 / (k + 1), 5) for k in range(20)]
SETTINGS = {"lr": 0.1, "momentum": 0.9, "batch_size": 8, "seed": 0, "optimizer": "SGD"}
YAML = "".join(f"{key}: {value}\n" for key, value in SETTINGS.items())


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def keras(folder):
    rows = "".join(f"{k},0.5,{loss},0.5,{loss + 0.1}\n" for k, loss in enumerate(LOSSES))
    about = {"name": "SGD", "learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "batch_size": 8, "seed": 0}
    put(folder / "training.json", json.dumps(about))
    return put(folder / "training.log", "epoch,accuracy,loss,val_accuracy,val_loss\n" + rows)


def lightning(folder):
    """Rows of steps and rows of epochs, as `self.log("train_loss", ..., on_step=True, on_epoch=True)` has them."""
    lines = ["epoch,step,train_loss_epoch,train_loss_step,val_loss"]
    for k, loss in enumerate(LOSSES):
        lines.append(f"{k // 5},{k},,{loss},")
        if k % 5 == 4:
            lines += [f"{k // 5},{k},,,{loss + 0.5}", f"{k // 5},{k},{sum(LOSSES[k - 4 : k + 1]) / 5},,"]
    put(folder / "version_0" / "hparams.yaml", YAML + "data_dir: !!python/object/apply:pathlib.PosixPath\n- data\n")
    return put(folder / "version_0" / "metrics.csv", "\n".join(lines) + "\n")


def yolo(folder):
    head = "                  epoch,         train/box_loss,         train/cls_loss,      metrics/mAP50(B),    lr/pg0\n"
    rows = "".join(f"{k:>23},{loss:>23},{0.5:>23},{0.1:>23},{0.01:>23}\n" for k, loss in enumerate(LOSSES))
    args = "task: detect\noptimizer: SGD\nlr0: 0.01\nlrf: 1.0\nmomentum: 0.937\nbatch: 16\nnbs: 64\nseed: 0\n"
    put(folder / "train" / "args.yaml", args + "warmup_epochs: 0.0\ncos_lr: false\n")
    return put(folder / "train" / "results.csv", head + rows)


def dvclive(folder):
    put(folder / "dvclive" / "params.yaml", YAML)
    put(folder / "dvclive" / "metrics.json", json.dumps({"step": 19, "train": {"loss": LOSSES[-1]}}))
    for metric, column in (("train/loss", "loss"), ("train/kappa", "kappa")):
        rows = "".join(f"{k}\t{loss}\n" for k, loss in enumerate(LOSSES))
        path = put(folder / "dvclive" / "plots" / "metrics" / f"{metric}.tsv", f"step\t{column}\n{rows}")
    return path.with_name("loss.tsv")


def trackio(folder, with_ids=True):
    path = folder / "project.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    run_id = "run_id TEXT NOT NULL, " if with_ids else ""

    def as_written(value):
        """Newer versions write the bytes of JSON, a BLOB in a column of TEXT; older ones the text."""
        return json.dumps(value).encode() if with_ids else json.dumps(value)

    with closing(sqlite3.connect(path)) as made:
        made.executescript(
            f"""
            CREATE TABLE metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, {run_id}timestamp TEXT NOT NULL,
                run_name TEXT NOT NULL, step INTEGER NOT NULL, metrics TEXT NOT NULL);
            CREATE TABLE configs (id INTEGER PRIMARY KEY AUTOINCREMENT, {run_id}run_name TEXT NOT NULL,
                config TEXT NOT NULL, created_at TEXT NOT NULL);"""
        )
        ids = ("id-1",) if with_ids else ()
        marks, names = ("?, " if with_ids else ""), ("run_id, " if with_ids else "")
        for k, loss in enumerate(LOSSES):
            row = as_written({"train/loss": loss if k < 18 else "NaN", "train/global_step": 50 * k})
            made.execute(
                f"INSERT INTO metrics ({names}timestamp, run_name, step, metrics) VALUES ({marks}'t', 'brave-1', ?, ?)",
                (*ids, k, row),
            )
        config = as_written(SETTINGS | {"_Username": "me", "optim": {"weight_decay": 0.1}})
        made.execute(
            f"INSERT INTO configs ({names}run_name, config, created_at) VALUES ({marks}'brave-1', ?, 't')",
            (*ids, config),
        )
        made.commit()
    return path


def trainer_state(n=20):
    rows = [
        {"step": 10 * (k + 1), "epoch": round((k + 1) / 10, 2), "loss": loss, "learning_rate": 0.1, "grad_norm": 1.5}
        for k, loss in enumerate(LOSSES[:n])
    ]
    rows.append({"step": 10 * n, "epoch": n / 10, "eval_loss": 1.0, "eval_runtime": 3.0})
    rows.append({"step": 10 * n, "epoch": n / 10, "train_loss": 0.7, "train_runtime": 9.0, "total_flos": 1e9})
    return {"global_step": 10 * n, "epoch": n / 10, "log_history": rows, "is_world_process_zero": True}


def huggingface(folder):
    args = {"learning_rate": 0.1, "optim": "sgd", "optim_args": "momentum=0.9", "per_device_train_batch_size": 16}
    args |= {"gradient_accumulation_steps": 2, "seed": 7, "lr_scheduler_type": "constant", "adam_beta1": 0.9}
    put(folder / "out" / "training_args.json", json.dumps(args))
    put(folder / "out" / "checkpoint-100" / "trainer_state.json", json.dumps(trainer_state(10)))
    return put(folder / "out" / "checkpoint-200" / "trainer_state.json", json.dumps(trainer_state()))


def sacred(folder):
    steps = list(range(0, 200, 10))
    metrics = {"training.loss": {"steps": steps, "timestamps": ["t"] * 20, "values": LOSSES}}
    numpy = {"dtype": "float64", "py/object": "numpy.float64", "value": 0.25}
    metrics["training.acc"] = {"steps": [0], "timestamps": ["t"], "values": [numpy]}
    put(folder / "1" / "config.json", json.dumps(SETTINGS))
    put(folder / "1" / "run.json", json.dumps({"status": "COMPLETED", "experiment": {"name": "e"}}))
    return put(folder / "1" / "metrics.json", json.dumps(metrics))


def deepobs(folder):
    document = {
        "train_losses": LOSSES,
        "test_losses": LOSSES,
        "minibatch_train_losses": [1.0 + k / 100 for k in range(19 * 7)],
        "train_accuracies": [0.5] * 20,
        "optimizer": "MomentumOptimizer",
        "testproblem": "quadratic_deep",
        "weight_decay": None,
        "batch_size": 128,
        "num_epochs": 19,
        "learning_rate": 0.01,
        "lr_sched_epochs": None,
        "lr_sched_factors": None,
        "random_seed": 42,
        "train_log_interval": 1,
        "hyperparams": {"momentum": 0.99, "use_nesterov": False},
    }
    return put(folder / "lr__1e-2" / "random_seed__42.json", json.dumps(document))


def cockpit(folder):
    document = {str(k): {"Loss": loss, "HessMaxEV": 3.0 + k, "GradNorm": [3.0, 4.0]} for k, loss in enumerate(LOSSES)}
    document["0"] |= {"learning_rate": 0.1, "epoch_count": 0, "GradHist1d": {"edges": [[0, 1]]}}
    put(folder / "config.json", json.dumps(SETTINGS))
    return put(folder / "log.json", json.dumps(document, indent=4, sort_keys=True))


def text(folder):
    lines = [
        f"Epoch {1 + k // 10}, Step {k % 10}: Total lambda max = {3 + k / 10:.3f}, Loss = {loss} !!!"
        for k, loss in enumerate(LOSSES)
    ]
    put(folder / "sgd_lr=0.01_momentum=0.9_b=64.json", json.dumps({"seed": 3, "loss": "mse"}))
    return put(folder / "sgd_lr=0.01_momentum=0.9_b=64.out", "\n".join(["starting", *lines, "done", ""]))


PATTERN = "Step {step}: .*lambda max = {sharpness}, Loss = {loss}"
WRITERS = {
    "keras": keras,
    "lightning": lightning,
    "huggingface": huggingface,
    "yolo": yolo,
    "dvclive": dvclive,
    "trackio": trackio,
    "sacred": sacred,
    "deepobs": deepobs,
    "cockpit": cockpit,
    "text": text,
}
