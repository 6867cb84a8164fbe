"""The validation rules, one file for each kind of subject."""
