"""What lies in a folder of logs, read but not judged."""
