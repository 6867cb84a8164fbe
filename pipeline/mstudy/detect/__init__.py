"""The stage `detect`: abrupt sharpening of one run."""
