"""The client: a library to talk to a server (`link.connection`), and `chat connect` made of it.

Nothing is imported here, so that a bot which only wants `chatclient.link.connection` loads no more.
"""
