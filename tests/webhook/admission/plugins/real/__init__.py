"""Compares our knowledge of plugins with the real programs, in network namespaces."""
