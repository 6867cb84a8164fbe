"""One caption subject per file: sentences computed from the tables, each with its finding and its n."""
