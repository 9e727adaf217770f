"""What every test shares: property tests that are the same in every run."""

import signal

from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("tests")

# What tests start must not inherit that these are ignored, as under nohup or behind `&`.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
