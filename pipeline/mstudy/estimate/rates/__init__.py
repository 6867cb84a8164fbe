"""Which learning rate: thresholds, limits, best rates."""
