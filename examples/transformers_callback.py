"""A Hugging Face Trainer callback that logs a run with its curvature.

python examples/transformers_callback.py RUN.parquet
"""

from __future__ import annotations

import sys
import tempfile
from typing import Any

import torch
from mstudy import CurvatureProbe, RunLogger
from mstudy.core.statuses import RunStatus
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments


class CurvatureLog(TrainerCallback):
    """path, settings: of the RunLogger. loss, data, options: of the CurvatureProbe.

    The analysis compares SGD with and without momentum: TrainingArguments(optim="sgd"), or an optimizer of your own.
    """

    def __init__(self, path: str, loss: Any, data: Any, settings: dict[str, Any], **options: Any) -> None:
        self._path, self._loss, self._data, self._settings, self._options = path, loss, data, settings, options
        self._log: RunLogger | None = None
        self._probe: CurvatureProbe | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **found: Any) -> None:
        """Open the log; training that goes on from a checkpoint goes on counting."""
        if not state.is_world_process_zero:
            return
        self._log = RunLogger(self._path, **self._settings)
        options = {"start_step": state.global_step, **self._options}
        self._probe = CurvatureProbe(found["model"], self._loss, self._data, found["optimizer"], **options)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log what the optimizer's last step measured."""
        if self._log is not None and self._probe is not None:
            self._probe.log_to(self._log)
            control.should_training_stop = control.should_training_stop or self._log.diverged

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the log."""
        if self._log is not None:
            done = state.global_step >= state.max_steps
            self._log.finish(RunStatus.COMPLETED if done else RunStatus.INTERRUPTED)


def loss_of(model: nn.Module, batch: Any) -> Tensor:
    """Mean loss of a batch."""
    loss: Tensor = model(**batch).loss
    return loss


class Symbols(Dataset[dict[str, Tensor]]):
    """Random text of 16 symbols."""

    def __init__(self, n: int) -> None:
        self._rows = torch.randint(16, (n, 12), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self._rows[index], "labels": self._rows[index]}

    def all(self) -> dict[str, Tensor]:
        """The data set as one batch."""
        return {"input_ids": self._rows, "labels": self._rows}


def train(path: str, steps: int = 12) -> None:
    """One run of a tiny GPT-2 from scratch, gradients accumulated over two mini-batches a step."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=16, n_positions=12, n_embd=16, n_layer=1, n_head=2, use_cache=False))
    text = Symbols(64)
    settings = {"learning_rate": 0.1, "momentum": 0.0, "batch_size": 16, "seed": 0, "model": "gpt2-1-16-2"}
    callback = CurvatureLog(path, loss_of, text.all(), settings, every=2, chunk=32)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            max_steps=steps,
            per_device_train_batch_size=8,
            gradient_accumulation_steps=2,
            optim="sgd",
            learning_rate=0.1,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
            use_cpu=True,
            seed=0,
        )
        Trainer(model, arguments, train_dataset=text, callbacks=[callback]).train()


if __name__ == "__main__":
    train(sys.argv[1])
