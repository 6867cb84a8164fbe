"""Measuring that leaves no trace in the training: what is replaced, switched or noted, and put back."""
