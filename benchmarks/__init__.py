"""Timings for people to read; nothing is asserted. `python -m benchmarks` writes benchmarks/README.md."""
