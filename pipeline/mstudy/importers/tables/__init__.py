"""Tables as files, one row a step."""
