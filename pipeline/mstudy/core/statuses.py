"""Every status word that a log, a table or a page holds: the only place that spells them.

A member is its own text, so that files hold plain words. A choice among the members is a `match` that ends with
`assert_never`: a new word is then missed by the type checker wherever it must be answered.
"""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


class WatchStatus(StrEnum):
    """What a run does that is watched."""

    RUNNING = "under_way"
    SILENT = "silent"
    UNREADABLE = "unreadable"
    DIVERGED = "diverged"
    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    GONE = "gone"


class BranchTime(StrEnum):
    """Where a branch leaves its parent: just before the parent sharpens abruptly, or at a control time before that."""

    SHARPENING = "sharpening"
    CONTROL = "control"


class TwinKind(StrEnum):
    """In what alone a twin differs from the run that it repeats: rounding, or the order of the mini-batches."""

    ROUNDING = "rounding"
    ORDER = "order"


class TwinStatus(StrEnum):
    """Whether a twin and the run that it repeats part. DIVERGED: one of them did, or both."""

    PARTED = "parted"
    NONE = "none"
    DIVERGED = "diverged"
    INSUFFICIENT = "insufficient"


class CurvatureCheck(StrEnum):
    """Whether a log's curvature agrees with second differences of its loss. UNDECIDED: kinks or noise drown them."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class CurvatureBy(StrEnum):
    """How a curvature was found where it was not by exact derivatives."""

    DIFFERENCES = "differences"

    def __round__(self, n_digits: int | None = None) -> CurvatureBy:
        """Return the word itself, so that a row of numbers can be rounded as a whole."""
        return self


class SharpeningStatus(StrEnum):
    """Whether a run sharpens abruptly."""

    DETECTED = "detected"
    NONE = "none"
    TOO_SHORT = "too_short"
    NO_CURVATURE = "no_curvature"


class EventKind(StrEnum):
    """What a rise of the curvature is: an abrupt sharpening that stays or recurs, or none of these."""

    LASTING = "lasting"
    RECURRING = "recurring"
    TRANSIENT = "transient"
    PROGRESSIVE = "progressive"


SHARPENING_KINDS = (EventKind.LASTING, EventKind.RECURRING)


class Refusal(StrEnum):
    """Why a change of the curvature is no abrupt sharpening."""

    SMALL = "small"
    PASSING = "passing"
    LIKE_NOISE = "like_noise"
    SLOW = "slow"
    REBOUND = "rebound"


class StabilityStatus(StrEnum):
    """Whether a run's curvature settles at its stability line. NO_LINE: no line is known, as for a branch."""

    REACHED = "reached"
    NONE = "none"
    TOO_SHORT = "too_short"
    NO_CURVATURE = "no_curvature"
    NO_LINE = "no_line"


class CrossingStatus(StrEnum):
    """Whether a run's curvature crosses its stability line. TOO_SHORT: fewer values than a crossing takes."""

    CROSSED = "crossed"
    NONE = "none"
    TOO_SHORT = "too_short"
    NO_CURVATURE = "no_curvature"
    NO_LINE = "no_line"


class EventDefinition(StrEnum):
    """What counts as the sharpening of a run: its abrupt rise, or the crossing of its stability line."""

    SHARPENING = "sharpening"
    CROSSING = "crossing"


class PartingStatus(StrEnum):
    """Whether SGD and SGDM part.

    TRANSIENT: they part and come together again. NO_LAG: how far the optimizer is behind SGD is not known, so the
    curves have no common clock.
    """

    PARTED = "parted"
    NONE = "none"
    TRANSIENT = "transient"
    INSUFFICIENT = "insufficient"
    NO_LAG = "no_lag"
    SGD_DIVERGED = "sgd_diverged"
    SGDM_DIVERGED = "sgdm_diverged"
    BOTH_DIVERGED = "both_diverged"


# Statuses with a step from which the two stay apart.
PARTED_OR_DIVERGED = (PartingStatus.PARTED, PartingStatus.SGD_DIVERGED, PartingStatus.SGDM_DIVERGED)
# Statuses of a pair in which a run diverged.
WITH_DIVERGENCE = (PartingStatus.SGD_DIVERGED, PartingStatus.SGDM_DIVERGED, PartingStatus.BOTH_DIVERGED)


class Ahead(StrEnum):
    """Who of a pair has the lower loss."""

    SGDM = "sgdm"
    SGD = "sgd"


class Matched(StrEnum):
    """How the loss of SGD at SGDM's effective learning rate is known. INTERPOLATED: between two rates of SGD."""

    EXACT = "exact"
    INTERPOLATED = "interpolated"


class GridStatus(StrEnum):
    """Where a threshold or a limit lies, against the grid of learning rates that were tried."""

    ESTIMATED = "estimated"
    BELOW_GRID = "below_grid"
    ABOVE_GRID = "above_grid"
    INSUFFICIENT = "insufficient"


class BestStatus(StrEnum):
    """Whether the best SGD and the best SGDM could be compared. AT_EDGE: a best rate is the end of the grid."""

    COMPARED = "compared"
    AT_EDGE = "at_edge"
    INSUFFICIENT = "insufficient"


class LawStatus(StrEnum):
    """Whether the stability law was fitted. NO_FORMULA: enough limits, but of optimizers that it says nothing of."""

    FITTED = "fitted"
    INSUFFICIENT = "insufficient"
    NO_FORMULA = "no_formula"


class Replication(StrEnum):
    """What an answer rests on: seeds, or, where there are too few, on learning rates of one seed beside each other."""

    REPLICATED = "replicated"
    UNREPLICATED = "unreplicated"


class Side(StrEnum):
    """On which side of a threshold a cell lies."""

    BELOW = "below"
    ABOVE = "above"


class HazardBy(StrEnum):
    """How a hazard ratio was estimated. FIRTH: with a penalty, where Cox's likelihood has no maximum."""

    COX = "cox"
    FIRTH = "firth"


class Verdict(StrEnum):
    """The answer of the data to a claim. MOSTLY: it surely holds in most of its units, and its contrary in none.

    AGREES, DISAGREES, UNCLEAR: the answer of data without enough seeds, which can neither support nor contradict.
    """

    SUPPORTED = "supported"
    MOSTLY = "mostly"
    CONTRADICTED = "contradicted"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "untestable"
    AGREES = "agrees"
    DISAGREES = "disagrees"
    UNCLEAR = "unclear"


class Severity(StrEnum):
    """What a breach of a validation rule does: an error makes a number wrong, a warning weakens the evidence."""

    ERROR = "error"
    WARNING = "warning"
