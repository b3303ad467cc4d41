"""The cluster's half of nadmit: an admission webhook and its command line.

Belongs here: serving the API server, the decision about one request, the store, the commands. Does not belong here:
the standard and the access rules (`cniplugin.netspec`, `cniplugin.access`), keys (`certs`).
Must not know: the node plugin's process modules.
"""
