"""Draws finished tables (altair); computes no statistic."""
