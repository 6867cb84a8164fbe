"""What sentences and charts call a comparison of losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mstudy.core.losses.scale import Scale


@dataclass(frozen=True)
class ScaleWords:
    """How sentences and charts name a comparison.

    within: what follows a margin. measure: what compares the two losses. symbol: the same as a formula in a sentence.
    of_final: the measure of final losses, as the beginning of a note. axis: the same as the title of an axis, with
    `{sgd}` and `{sgdm}` for the two sides. short: in a tooltip. title: of a plate. mean: how final losses are averaged.
    """

    within: str
    measure: str
    symbol: str
    of_final: str
    axis: str
    short: str
    title: str
    mean: str


WORDS: Mapping[Scale, ScaleWords] = {
    Scale.LOG: ScaleWords(
        within="in log loss",
        measure="log loss ratio",
        symbol="log L_SGD / L_SGDM",
        of_final="Log ratio of the final losses",
        axis="log L({sgd}) / L({sgdm})",
        short="log ratio",
        title="Log loss ratio",
        mean="geometric mean",
    ),
    Scale.DIFFERENCE: ScaleWords(
        within="of the loss's fall",
        measure="difference of the losses, as a share of the loss's fall,",
        symbol="(L_SGD - L_SGDM) / fall",
        of_final="Difference of the final losses, in shares of how far the loss of the setting fell,",
        axis="(L({sgd}) − L({sgdm})) / fall",
        short="difference / fall",
        title="Difference of losses",
        mean="mean",
    ),
}
