"""One file for each claim: its judge and its power."""
