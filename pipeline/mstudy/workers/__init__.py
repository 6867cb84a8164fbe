"""Engines that work at units side by side, and what all of their processes need."""
