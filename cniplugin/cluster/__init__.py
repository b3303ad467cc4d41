"""The API server from the node: the client, the objects that are read, the access rules. Decides nothing about a pod.

The only package of the plugin that opens a connection to another machine.
"""
