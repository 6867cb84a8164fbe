"""The stage `train`: train what the store lacks."""
