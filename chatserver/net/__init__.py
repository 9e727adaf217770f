"""Bytes in, bytes out: sockets, outboxes and the accepting server. Knows nothing of chat."""
