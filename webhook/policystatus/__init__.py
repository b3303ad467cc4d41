"""The status of access policies in the cluster, and events when it changes.

Belongs here: which status and which events follow from the policies in use (`statusplan`, pure), and writing them while
this replica holds the Lease.
Does not belong here: what a status says (`cniplugin.access.lints.policystatus`), and any decision about a pod. A
refused pod makes no event: its author has the API server's answer.
Must not know: how reviews arrive. A writer that fails never stops the server from serving.
"""
