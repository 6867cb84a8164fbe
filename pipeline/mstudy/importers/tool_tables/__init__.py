"""Tables as one tool writes them each."""
