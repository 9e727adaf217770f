"""The server of the fakes, and the certainty that its threads end."""

from server.conftest import _no_thread_is_left, server

__all__ = ["_no_thread_is_left", "server"]
