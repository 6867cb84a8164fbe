"""Text from outside, read within bounds."""
