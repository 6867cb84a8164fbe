"""Finished frames to charts (altair). Titles carry units; colour is the optimiser; intervals are never left out."""
