"""Measurements of a real server process by a load generator in a process of its own."""
