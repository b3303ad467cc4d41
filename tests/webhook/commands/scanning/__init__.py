"""`nadmit scan`."""
