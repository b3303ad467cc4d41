"""Our knowledge of plugins against the plugins themselves: real programs in network namespaces."""
