"""Architectures: one entry in families.py each."""
