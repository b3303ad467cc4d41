"""Placing the plugin on a node, showing what is placed, and removing it."""
