"""Which runs are trained on which process, and where they are kept."""
