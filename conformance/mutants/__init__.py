"""Faults of a good plugin that the suite must notice, and the tests that notice each."""
