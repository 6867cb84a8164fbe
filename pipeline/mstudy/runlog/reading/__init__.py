"""Apply the rules to a folder of logs and read it."""
