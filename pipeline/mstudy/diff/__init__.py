"""`mstudy diff`: what one analysis says otherwise than another, and why."""
