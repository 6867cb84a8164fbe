"""One module a question: each picks what the page shows of it, and is silent where its table is absent."""
