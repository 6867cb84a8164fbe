"""Runs in databases of SQLite."""
