"""What mstudy says about public logs that nobody of this project made, beside what can be worked out by hand."""
