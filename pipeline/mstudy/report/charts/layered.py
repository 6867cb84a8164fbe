"""Layers in one frame. alt.LayerChart copies all of its layers with their data again and again: a third of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import altair as alt
from altair.vegalite.v6.schema import SCHEMA_URL


@dataclass(frozen=True)
class Layered:
    """Charts on top of each other, as wide as their container. parameters: variables that the page sets."""

    height: int
    layers: tuple[alt.Chart, ...]
    parameters: tuple[alt.Parameter, ...]

    def to_dict(self, validate: bool = True) -> dict[str, Any]:
        """Return the Vega-Lite specification, its data under `datasets`.

        validate: hold every part against the schema.
        """
        context: dict[str, Any] = {"datasets": {}, "top_level": False}
        layers = [layer.to_dict(validate=validate, context=context) for layer in self.layers]
        spec = {"$schema": SCHEMA_URL, "width": "container", "height": self.height, "layer": layers}
        if self.parameters:
            spec["params"] = [cast(alt.VariableParameter, parameter.param).to_dict() for parameter in self.parameters]
        if context["datasets"]:
            spec["datasets"] = context["datasets"]
        return spec


def layered(height: int, *layers: alt.Chart, parameters: Sequence[alt.Parameter] = ()) -> Layered:
    """Draw layers in one frame that takes the width of its container."""
    return Layered(height, layers, tuple(parameters))
