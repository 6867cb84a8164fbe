"""Training of one ensemble of runs, side by side."""
