"""Decides when something happened: abrupt sharpening of one run, parting of a pair (ruptures)."""
