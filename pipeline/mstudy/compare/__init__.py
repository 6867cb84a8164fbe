"""The stage `compare`: advantage and parting of each pair."""
