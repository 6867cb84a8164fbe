"""When a rise happened."""
