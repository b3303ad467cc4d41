"""What the cluster is told about its access policies: their status, and events when it changes.

Belongs here: which status and events follow from what is in force (`due`, `events`: pure), which replica writes them
(`lease`), and the writing itself (`writer`, `api`).
Does not belong here: what a status says (`cniplugin.access.lints.policystatus`), and any decision about a pod. A
refused pod makes no event here: its author has the API server's answer.
Must not know: how reviews come in. A writer that fails never keeps the server from serving.
"""
