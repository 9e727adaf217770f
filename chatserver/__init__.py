"""The server: accounts, the message log, delivery, commands and the `chat` command line."""
