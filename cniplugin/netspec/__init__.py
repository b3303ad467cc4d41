"""The standard: NPWG multi-net-spec v1.3 and the CNI specification 1.1, text in and values out.

Belongs here: parsing, naming, planning, results and status. The webhook and the node plugin both run it, so that every
admitted pod can be attached. Does not belong here: files, sockets, clocks, logging, wording for kubectl.
Must not know: Kubernetes clients, the access rules, or the caller.
"""

REVISION = 2
"""Revision of the grammar, shown in metrics and logs of both ends. If the grammar widens, upgrade the nodes first; if
it narrows, upgrade the webhook first."""
