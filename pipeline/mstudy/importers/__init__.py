"""Logs that other tools wrote, as logs of mstudy. Nothing in them is trusted."""
