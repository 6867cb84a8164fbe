"""`mstudy settle`: further seeds for what is undecided, look by look."""
