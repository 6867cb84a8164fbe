"""Figures as PNG or SVG files."""
