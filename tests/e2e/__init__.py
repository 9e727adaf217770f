"""Tests of real server processes with black-box clients."""
