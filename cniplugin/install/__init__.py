"""Placing the plugin on a node, showing and removing it; giving up damaged records, and freeing leftovers."""
