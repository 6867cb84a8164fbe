"""The curvature along an update by one pass of tangents."""
