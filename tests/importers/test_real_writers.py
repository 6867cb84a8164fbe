"""Truth: what the tools themselves were told to log, where they are installed; the other tests write their forms."""

import json

import pyarrow.parquet as pq
import pytest

LOSSES = [1 / (1 + k) + 0.1 for k in range(12)]
SETTINGS = {"lr": 0.1, "momentum": 0.9, "batch_size": 64, "seed": 3, "optimizer": "SGD"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which a tool runs: some write beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    return tmp_path


def _dvclive(place):
    dvclive = pytest.importorskip("dvclive", reason="DVCLive is not installed")
    with dvclive.Live(str(place / "dvclive"), save_dvc_exp=False, report=None) as live:
        live.log_params(SETTINGS)
        for k, loss in enumerate(LOSSES):
            live.step = 5 * k
            live.log_metric("train/loss", loss)
            live.make_summary()


def _mlflow(place):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    mlflow.set_tracking_uri((place / "mlflow").as_uri())
    with mlflow.start_run():
        mlflow.log_params(SETTINGS)
        for k, loss in enumerate(LOSSES):
            mlflow.log_metric("train_loss", loss, step=5 * k)


def _trackio(place):
    trackio = pytest.importorskip("trackio", reason="Trackio is not installed")
    trackio.init(project="p", name="a", config=SETTINGS)
    for k, loss in enumerate(LOSSES):
        trackio.log({"train/loss": loss}, step=5 * k)
    trackio.finish()


def _lightning(place):
    loggers = pytest.importorskip("lightning_fabric.loggers", reason="Lightning is not installed")
    logger = loggers.CSVLogger(place, name="lightning", flush_logs_every_n_steps=1)
    for k, loss in enumerate(LOSSES):
        logger.log_metrics({"train_loss": loss}, step=5 * k)
    logger.save()
    # Its trainer writes what a module saved as hyperparameters; the logger alone has no file of settings.
    (place / "lightning/version_0/hparams.yaml").write_text("".join(f"{k}: {v}\n" for k, v in SETTINGS.items()))


WRITERS = [("dvclive", _dvclive), ("lightning", _lightning), ("mlflow", _mlflow), ("trackio", _trackio)]


@pytest.mark.parametrize(("tool", "write"), WRITERS)
def test_what_the_tool_was_told_is_what_is_imported(tool, write, place, mstudy):
    write(place)

    code, _, err = mstudy("import", tool, place / tool, "--out", place / "runs")

    assert (code, err) == (0, "")
    (path,) = (place / "runs").rglob("*.parquet")
    log = pq.read_table(path)
    assert log["loss"].to_pylist() == LOSSES
    assert log["step"].to_pylist() == [5 * k for k in range(len(LOSSES))]
    metadata = json.loads(log.schema.metadata[b"mstudy"])
    stated = {key: metadata[key] for key in ("learning_rate", "momentum", "batch_size", "seed", "optimizer")}
    assert list(stated.values()) == [0.1, 0.9, 64, 3, "heavy_ball"]
