"""Many logs in a few Parquet files, and back."""
