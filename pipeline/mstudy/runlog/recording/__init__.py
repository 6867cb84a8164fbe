"""RunLogger: log a user's own training loop."""
