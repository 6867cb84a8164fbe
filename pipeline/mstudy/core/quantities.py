"""The quantities that a log may hold, one entry each: schema, training, import, cost and charts all read this list.

A new quantity that training measures is one entry here, one entry in `curvature.measure.MEASURES` and one row in
docs/log-format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Samples(Enum):
    """Which samples a quantity is measured on."""

    TRAINING_SET = "all training samples, or the first `probe_samples` of them for all but the loss itself"
    MINI_BATCH = "the step's own mini-batch, or others drawn like it"
    UNKNOWN = "training does not measure it: only imported logs and a user's own loop have it"


@dataclass(frozen=True, eq=False)
class Quantity:
    """A quantity of a run over training, measured before an update. Two quantities never have the same name.

    name: in params.yaml. columns: in a log; where there is one of the same name as the quantity, the others are about
    it. title, symbol: in charts. other_names: for each column the names that other tools use, the best first; they are
    compared without case, and with "-", " ", "/" and "." as "_".
    every: in every so many-th logged row a study measures it unless the study says otherwise; 0 for never, None where
    a study has no choice. in_replays: whether the rows that adaptive logging adds have it too.
    detectable: whether `detect.quantity` may name it.
    panel: which chart of a run over training shows it. The first of a panel is a line, the others are points.
    """

    name: str
    columns: tuple[str, ...]
    title: str
    symbol: str
    samples: Samples
    other_names: Mapping[str, tuple[str, ...]]
    every: int | None = None
    in_replays: bool = False
    detectable: bool = False
    panel: str | None = None

    @property
    def is_measured(self) -> bool:
        """Whether training measures it."""
        return self.samples is not Samples.UNKNOWN

    @property
    def is_chosen(self) -> bool:
        """Whether a study says how often it is measured."""
        return self.is_measured and self.every is not None


CURVATURE_PANEL, LOSS_PANEL = "curvature", "loss"

LOSS = Quantity(
    name="loss",
    columns=("loss",),
    title="training loss",
    symbol="loss",
    samples=Samples.TRAINING_SET,
    other_names={
        "loss": (
            *("train_loss", "training_loss", "loss_train", "loss", "train_loss_epoch", "loss_epoch", "epoch_loss"),
            *(
                "train_train_loss",
                "losses_train",
                "train_epoch_loss",
                "train_loss_step",
                "loss_step",
                "batch_loss",
                "objective",
            ),
        )
    },
    panel=LOSS_PANEL,
)
DIRECTIONAL_CURVATURE = Quantity(
    name="directional_curvature",
    columns=("directional_curvature",),
    title="curvature along the update, κ",
    symbol="κ",
    samples=Samples.TRAINING_SET,
    other_names={
        "directional_curvature": (
            *("directional_curvature", "kappa", "directional_sharpness", "train_directional_curvature"),
        )
    },
    every=1,
    in_replays=True,
    detectable=True,
    panel=CURVATURE_PANEL,
)
SHARPNESS = Quantity(
    name="sharpness",
    columns=("sharpness", "sharpness_residual"),
    title="largest eigenvalue, λ_max",
    symbol="λ_max",
    samples=Samples.TRAINING_SET,
    other_names={
        "sharpness": (
            *("sharpness", "lambda_max", "top_eigenvalue", "hessian_max_eigenvalue", "max_eigenvalue", "hessmaxev"),
        ),
        "sharpness_residual": ("sharpness_residual",),
    },
    every=17,
    detectable=True,
    panel=CURVATURE_PANEL,
)
BATCH_SHARPNESS = Quantity(
    name="batch_sharpness",
    columns=("batch_sharpness", "batch_sharpness_se"),
    title="batch sharpness",
    symbol="batch sharpness",
    samples=Samples.MINI_BATCH,
    other_names={"batch_sharpness": ("batch_sharpness",), "batch_sharpness_se": ("batch_sharpness_se",)},
    every=0,
    detectable=True,
    panel=CURVATURE_PANEL,
)
CRITICAL_SHARPNESS = Quantity(
    name="critical_sharpness",
    columns=("critical_sharpness", "critical_sharpness_error"),
    title="critical sharpness, λ_c",
    symbol="λ_c",
    samples=Samples.TRAINING_SET,
    other_names={
        "critical_sharpness": ("critical_sharpness", "lambda_c", "lambda_crit"),
        "critical_sharpness_error": ("critical_sharpness_error",),
    },
    every=0,
    in_replays=True,
    detectable=True,
    panel="critical",
)
OWN_BATCH = Quantity(
    name="own_batch",
    columns=("batch_loss", "grad_norm", "update_norm"),
    title="loss and gradient norm of the mini-batch, norm of the update",
    symbol="own batch",
    samples=Samples.MINI_BATCH,
    other_names={
        "batch_loss": ("batch_loss", "train_loss_step", "loss_step"),
        "grad_norm": ("grad_norm", "gradient_norm", "train_grad_norm", "gradnorm"),
        "update_norm": ("update_norm", "updatesize"),
    },
)
EDGE_RATIO = Quantity(
    name="edge_ratio",
    columns=("edge_ratio",),
    title="realised edge of stability, ζ",
    symbol="ζ",
    samples=Samples.MINI_BATCH,
    other_names={"edge_ratio": ("edge_ratio",)},
    every=0,
    in_replays=True,
    panel="edge",
)
ACCURACY = Quantity(
    name="accuracy",
    columns=("accuracy",),
    title="accuracy",
    symbol="accuracy",
    samples=Samples.UNKNOWN,
    other_names={"accuracy": ("accuracy", "train_accuracy", "train_acc", "acc", "accuracy_train", "acc_train")},
)
EPOCH = Quantity(
    name="epoch",
    columns=("epoch",),
    title="epoch",
    symbol="epoch",
    samples=Samples.UNKNOWN,
    other_names={"epoch": ("epoch", "train_epoch")},
)

# In the order of their columns in a log.
QUANTITIES = (
    LOSS,
    DIRECTIONAL_CURVATURE,
    SHARPNESS,
    BATCH_SHARPNESS,
    CRITICAL_SHARPNESS,
    OWN_BATCH,
    EDGE_RATIO,
    ACCURACY,
    EPOCH,
)
MEASURED = tuple(quantity for quantity in QUANTITIES if quantity.is_measured)
CHOSEN = tuple(quantity for quantity in MEASURED if quantity.is_chosen)
DETECTABLE = tuple(quantity.name for quantity in QUANTITIES if quantity.detectable)
MEASURED_COLUMNS = tuple(column for quantity in MEASURED for column in quantity.columns)


def quantity_named(name: str) -> Quantity:
    """Return the quantity of that name, which must be one of QUANTITIES."""
    return next(quantity for quantity in QUANTITIES if quantity.name == name)
