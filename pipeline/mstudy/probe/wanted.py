"""What a row of a user's training is to have."""

from __future__ import annotations

from dataclasses import dataclass

from mstudy.core.quantities import BATCH_SHARPNESS, CRITICAL_SHARPNESS, DIRECTIONAL_CURVATURE, SHARPNESS
from mstudy.curvature.network import CURVATURE, GRADIENT


@dataclass(frozen=True)
class Wanted:
    """What a row has beside the loss. check: compare the curvature along the update with second differences.

    learning_rate: of the step, where the critical sharpness is wanted; NaN where there is not one.
    """

    directional_curvature: bool
    critical_sharpness: bool
    learning_rate: float
    sharpness: bool
    batch_sharpness: bool
    check: bool

    @property
    def curvatures(self) -> dict[str, None]:
        """The columns of all curvatures, without values."""
        names = [DIRECTIONAL_CURVATURE.name] if self.directional_curvature else []
        names += CRITICAL_SHARPNESS.columns if self.critical_sharpness else ()
        names += SHARPNESS.columns if self.sharpness else ()
        names += BATCH_SHARPNESS.columns if self.batch_sharpness else ()
        return dict.fromkeys(names)

    @property
    def order(self) -> int:
        """The highest derivative of the data's loss; without one its graph is recorded, to see what it reaches."""
        return CURVATURE if self.directional_curvature or self.sharpness else GRADIENT
