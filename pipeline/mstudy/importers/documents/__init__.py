"""Runs that are one JSON document each."""
