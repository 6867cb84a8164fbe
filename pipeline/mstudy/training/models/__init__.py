"""The networks: a model's name is parsed, held against the data, and built as a plain torch module."""
