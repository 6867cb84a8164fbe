"""Data sets. Nothing here imports torch."""
