"""Rules on all runs together that folder.py adds to its own."""
