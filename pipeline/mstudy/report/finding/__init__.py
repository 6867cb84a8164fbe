"""What the page opens with: the finding in three sentences, and two pictures of it."""
