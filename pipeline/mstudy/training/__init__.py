"""Trains paired sweeps of SGD and SGD with momentum, and measures curvature on the way (torch)."""
