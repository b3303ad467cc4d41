"""Policies, their configuration and consent annotations: plain JSON to values and to a list of mistakes."""
