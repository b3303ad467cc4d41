"""Whole programs against a real API server, and some of them also against the in-process one."""
