"""Programs that use the chat: a bot, and the demonstration that `make demo` runs."""
