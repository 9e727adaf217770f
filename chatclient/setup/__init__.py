"""Where to connect to, as whom, and what somebody has set."""
