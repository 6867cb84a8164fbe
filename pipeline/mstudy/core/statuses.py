"""Every status word that a table, a log or a page holds."""

from __future__ import annotations

PARTED, NONE, TRANSIENT, INSUFFICIENT = "parted", "none", "transient", "insufficient"
SGD_DIVERGED, SGDM_DIVERGED, BOTH_DIVERGED = "sgd_diverged", "sgdm_diverged", "both_diverged"
# Statuses with a step from which the two stay apart.
APART = (PARTED, SGD_DIVERGED, SGDM_DIVERGED)
