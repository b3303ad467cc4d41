"""Policies, their configuration and annotations of consent: plain JSON to values, or to every mistake."""
