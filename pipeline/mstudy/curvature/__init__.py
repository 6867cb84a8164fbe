"""Losses of many networks side by side, and their derivatives."""
