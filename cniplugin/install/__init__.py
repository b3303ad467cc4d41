"""Placing the plugin on a node, showing what is placed, removing it, and giving up damaged records."""
