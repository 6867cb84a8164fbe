"""What may be done to a run that branches."""
