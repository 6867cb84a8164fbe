"""Training data: what there is, where its files lie, how it is fetched, and its arrays."""
