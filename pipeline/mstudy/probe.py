"""`from mstudy.probe import CurvatureProbe`: curvature in your own training loop."""

from mstudy.training.curvature_probe import CurvatureProbe

__all__ = ["CurvatureProbe"]
