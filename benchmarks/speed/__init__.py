"""Times of training, curvature, logging, analysis and page."""
