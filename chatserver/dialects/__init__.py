"""The languages spoken on the port. Each turns bytes into requests, and events into bytes."""
