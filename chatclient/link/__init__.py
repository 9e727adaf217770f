"""The way to a server and back."""
