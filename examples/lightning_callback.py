"""A Lightning callback that logs a run with its curvature. python examples/lightning_callback.py RUN.parquet"""

from __future__ import annotations

import sys
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from mstudy import CurvatureProbe, RunLogger
from mstudy.core.statuses import RunStatus
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset


class CurvatureLog(Callback):
    """One optimizer, automatic or manual optimization.

    path, settings: of the RunLogger. loss, data, options: of the CurvatureProbe.
    """

    def __init__(self, path: str, loss: Any, data: Any, settings: dict[str, Any], **options: Any) -> None:
        self._path, self._loss, self._data, self._settings, self._options = path, loss, data, settings, options
        self._log: RunLogger | None = None
        self._probe: CurvatureProbe | None = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Open the log; training that goes on from a checkpoint goes on counting."""
        if not trainer.is_global_zero:
            return
        self._log = RunLogger(self._path, **self._settings)
        options = {"start_step": trainer.global_step, **self._options}
        self._probe = CurvatureProbe(module, self._loss, self._data, trainer.optimizers[0], **options)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Log what the optimizer's last step measured, if it made one."""
        if self._log is not None and self._probe is not None:
            self._probe.log_to(self._log)
            trainer.should_stop = trainer.should_stop or self._log.diverged

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the log."""
        if self._log is not None:
            self._log.finish()

    def on_exception(self, trainer: lightning.Trainer, module: lightning.LightningModule, error: BaseException) -> None:
        """Keep what there is."""
        if self._log is not None:
            self._log.finish(RunStatus.INTERRUPTED)


class Classifier(lightning.LightningModule):
    """A small classifier."""

    def __init__(self, learning_rate: float, momentum: float) -> None:
        super().__init__()
        self._rate, self._momentum = learning_rate, momentum
        self.net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        return self.net(inputs)

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Loss of a mini-batch."""
        return loss_of(self, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD."""
        return torch.optim.SGD(self.parameters(), lr=self._rate, momentum=self._momentum)


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    """Mean loss of a batch."""
    return functional.cross_entropy(model(batch[0]), batch[1])


def train(path: str, epochs: int = 5, **trainer: Any) -> None:
    """One run on random samples."""
    lightning.seed_everything(0, verbose=False)
    data = torch.randn(96, 6), torch.randint(3, (96,))
    settings = {"learning_rate": 0.05, "momentum": 0.9, "batch_size": 32, "seed": 0, "model": "mlp-tanh-8"}
    callback = CurvatureLog(path, loss_of, data, settings, every=2)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    fit = lightning.Trainer(max_epochs=epochs, callbacks=[callback], enable_model_summary=False, **quiet, **trainer)
    fit.fit(Classifier(0.05, 0.9), DataLoader(TensorDataset(*data), batch_size=32, shuffle=True))


if __name__ == "__main__":
    train(sys.argv[1])
