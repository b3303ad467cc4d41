"""What a scan of a cluster finds."""
