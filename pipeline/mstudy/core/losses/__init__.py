"""How two losses are compared, in numbers and in words."""
