"""What the section on the two moments shows beside the lag."""
