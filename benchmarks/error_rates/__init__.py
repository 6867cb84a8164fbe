"""How often detection and inference err, on series and experiments with known truth."""
