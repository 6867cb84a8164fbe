"""Finished frames to charts (altair). Titles carry units; colour is the optimizer; intervals are never left out."""
