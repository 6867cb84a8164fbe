"""`mstudy explain`: how one run was judged."""
