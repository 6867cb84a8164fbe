"""Every status word that a table, a log or a page holds."""

from __future__ import annotations

PARTED, NONE, TRANSIENT, INSUFFICIENT = "parted", "none", "transient", "insufficient"
NO_LAG = "no_lag"  # how far the optimizer is behind SGD is not known, so the curves have no common clock
SGD_DIVERGED, SGDM_DIVERGED, BOTH_DIVERGED = "sgd_diverged", "sgdm_diverged", "both_diverged"
# Statuses with a step from which the two stay apart.
APART = (PARTED, SGD_DIVERGED, SGDM_DIVERGED)
