"""Whole parts against a real API server, and where it goes also against one in this process."""
