"""Decides what the runs say together: advantage, threshold, coincidence, deferral, claims (statsmodels)."""
