"""The node itself: links and routes of the kernel, files, the log, the runtime and what exists of its containers.

Knows no networks, pods or API server.
"""
