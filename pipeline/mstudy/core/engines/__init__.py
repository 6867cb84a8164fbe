"""Which engine works, and what it is told."""
