"""mstudy: when, and why, momentum makes SGD faster."""
