"""What the log of a run is, and how it lies on disk."""
