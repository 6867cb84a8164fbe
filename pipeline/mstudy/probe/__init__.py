"""CurvatureProbe: curvature in a user's own training loop."""
