"""The colours of the page and of its charts, light and dark, in one place.

Hues are Okabe and Ito's (2008), darkened on light paper until thin lines and small text keep a contrast of 4.5.
Charts name no colour: they name a method or a style, and take both from the configuration of the theme in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif'
# An event of a pair belongs to neither method: grey, readable on both papers.
NEUTRAL = "#7a7f88"


@dataclass(frozen=True)
class Theme:
    """Colours as CSS text. `methods`: SGD first, then each momentum in ascending order; repeats after the last."""

    name: str
    paper: str
    card: str
    ink: str
    muted: str
    line: str
    link: str
    verdicts: dict[str, str]
    methods: tuple[str, ...]

    def css_variables(self) -> dict[str, str]:
        """The theme as custom properties of the page."""
        plain = {key: getattr(self, key) for key in ("paper", "card", "ink", "muted", "line", "link")}
        hues = {f"method-{k}": hue for k, hue in enumerate(self.methods)}
        return plain | self.verdicts | hues

    def vega_config(self) -> dict[str, Any]:
        """The theme as a Vega-Lite configuration."""
        return {
            "background": None,
            "font": FONT,
            "view": {"stroke": None},
            "range": {"category": list(self.methods)},
            "axis": self._axis(),
            "text": {"fill": self.ink, "fontSize": 11},
            "rule": {"stroke": self.muted},
            "style": {
                "reference": {"stroke": self.muted, "strokeWidth": 1.2},
                "margin": {"fill": self.muted, "fillOpacity": 0.18},
                "note": {"fill": self.muted, "fontSize": 10.5},
            },
        }

    def _axis(self) -> dict[str, Any]:
        return {
            "labelColor": self.muted,
            "titleColor": self.ink,
            "domainColor": self.line,
            "tickColor": self.line,
            "gridColor": self.line,
            "gridOpacity": 0.55,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "titlePadding": 6,
        }


LIGHT = Theme(
    name="light",
    paper="#f6f5f1",
    card="#ffffff",
    ink="#1c2024",
    muted="#5c636b",
    line="#d8d8d2",
    link="#15548a",
    verdicts={"supported": "#17693f", "contradicted": "#a3231b", "inconclusive": "#7b5600", "untestable": "#4b5560"},
    methods=("#c65300", "#00805d", "#0068a8", "#a8457f", "#7a6a00", "#3f4a9e"),
)

DARK = Theme(
    name="dark",
    paper="#121417",
    card="#1a1d21",
    ink="#e8e6e1",
    muted="#a2a8b0",
    line="#353a41",
    link="#86bdf0",
    verdicts={"supported": "#6cc795", "contradicted": "#f08a80", "inconclusive": "#dcb24e", "untestable": "#b3bac3"},
    methods=("#ff8f45", "#33c79b", "#5fb4f2", "#e79ac7", "#d9c84a", "#a3aef5"),
)

THEMES = (LIGHT, DARK)


def method_hue(index: int) -> str:
    """The custom property that holds the hue of the method at `index`."""
    return f"method-{index % len(LIGHT.methods)}"
