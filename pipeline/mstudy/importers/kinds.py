"""The tools and formats that can be imported, in the order of the command line: one file and one line each.

The command line is made of this list, so it needs no library: each `find` imports the reader of its tool itself.
"""

from __future__ import annotations

from mstudy.importers.formats import csv, journal, text
from mstudy.importers.kind import Kind
from mstudy.importers.tools import (
    cockpit,
    deepobs,
    dvclive,
    huggingface,
    keras,
    lightning,
    mlflow,
    sacred,
    tensorboard,
    trackio,
    wandb,
    yolo,
)

KINDS: tuple[Kind, ...] = (
    tensorboard.KIND,
    wandb.KIND,
    mlflow.KIND,
    csv.KIND,
    keras.KIND,
    lightning.KIND,
    huggingface.KIND,
    yolo.KIND,
    dvclive.KIND,
    trackio.KIND,
    sacred.KIND,
    deepobs.KIND,
    cockpit.KIND,
    text.KIND,
    journal.KIND,
)
