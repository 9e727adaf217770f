"""The environment in which the client is tested: nothing of the tester's own."""

import os

CLEAN_ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_")}
CLEAN_ENVIRON["CHAT_CLIENT_CONFIG"] = os.devnull
