"""The paper's claims, one module each: a rule that was written down first (docs/methods.md) and its verdict."""
