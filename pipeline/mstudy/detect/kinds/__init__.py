"""What a rise is: one that stays, comes back, passes, or took the whole run."""
