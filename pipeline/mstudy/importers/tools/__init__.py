"""The tools whose logs can be imported: one file each, which needs no library until a source is read."""
