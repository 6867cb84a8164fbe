"""The words that all parts use: standard library, NumPy and PyYAML only."""
