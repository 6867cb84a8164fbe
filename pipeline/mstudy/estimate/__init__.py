"""The stage `estimate`: thresholds, event times, claims."""
