"""The format of a log: columns, digest, and how a file is written."""
