"""`mstudy watch`: the runs under way in a folder, read from their journals while they grow."""
