"""Failures, crashes and repeated calls, as nodes have them; no standard asks for most of it."""
