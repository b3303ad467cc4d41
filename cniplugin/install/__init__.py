"""Placing the plugin on a node, showing the placed files, removing them, and giving up damaged records."""
