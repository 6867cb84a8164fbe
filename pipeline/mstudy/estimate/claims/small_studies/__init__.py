"""What is known where seeds or learning rates are too few for a verdict."""
