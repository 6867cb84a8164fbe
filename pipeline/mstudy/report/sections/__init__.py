"""One module for each question of the page. A module shows nothing where its table is absent."""
