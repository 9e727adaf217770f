"""The commands of the client: connect, send and tail."""
