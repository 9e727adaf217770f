"""Faults and attacks: what is meant to break the server, and that it does not."""
