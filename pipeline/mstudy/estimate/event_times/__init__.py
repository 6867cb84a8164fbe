"""Which moment: coincidence, delay, interventions."""
