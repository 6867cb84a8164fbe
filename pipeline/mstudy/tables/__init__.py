"""The tables of an analysis."""
