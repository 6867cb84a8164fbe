"""One section of the page per file: shapes the tables, calls the chart, adds caption and numbers."""
