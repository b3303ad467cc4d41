"""The node itself: links and routes of the kernel, files, and the log. Knows no networks, pods or API server."""
