"""The node itself: links and routes in the kernel, files and directories, and the log.

Nothing here knows a network, a pod or the API server.
"""
