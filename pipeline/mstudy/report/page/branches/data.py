"""The runs with branches that a reader can pick, as the page's script takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mstudy.report.sections.base import BranchesShown, ParentShown


def branches_data(shown: BranchesShown, place_of: Mapping[str, int]) -> dict[str, Any]:
    """Return what the page draws runs with branches from; runs are the places of their curves."""
    return {"first": shown.first, "parents": [_parent_data(parent, place_of) for parent in shown.parents]}


def _parent_data(parent: ParentShown, place_of: Mapping[str, int]) -> dict[str, Any]:
    sharpens = parent.sharpens
    times = [
        {"name": time.name, "caption": time.caption, "step": time.step, "texts": time.texts, "ends": time.ends}
        | {"runs": [place_of[run_id] for run_id in time.run_ids]}
        for time in parent.times
    ]
    return {
        "name": parent.name,
        "runs": [place_of[run_id] for run_id in parent.run_ids],
        "sharpens": None if sharpens is None else [sharpens.step, sharpens.low, sharpens.high],
        "times": times,
    }
