"""What both sides of the wire agree on: names, text, framing, the events and the words for them.

Nothing in this package does I/O, starts a thread or looks at a clock, so every rule of `chat/1`
can be tested with bytes alone.
"""

__version__ = "0.1.0"
