"""What every test shares: property tests that are the same in every run."""

from hypothesis import settings

settings.register_profile("tests", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("tests")
