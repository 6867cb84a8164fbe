"""Checks of a measurement: is all of the loss in it, is it a mean, is its curvature right."""
