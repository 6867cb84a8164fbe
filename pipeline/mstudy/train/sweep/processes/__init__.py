"""Which processes train, and on which devices."""
