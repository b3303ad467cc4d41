"""The API server as the node sees it: the client, and what is read from and told to the cluster.

The only package of the plugin that opens a connection. It does not decide anything about a pod.
"""
