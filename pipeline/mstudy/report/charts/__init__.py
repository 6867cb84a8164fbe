"""One chart subject per file: a finished frame in, an altair chart out; no statistic is computed here."""
