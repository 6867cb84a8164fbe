"""What the page draws branches from: their gaps, and which of them a reader can pick."""
