"""`mstudy plan`: cost of a study, and what would settle a claim."""
