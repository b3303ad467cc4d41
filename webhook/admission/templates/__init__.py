"""Pods in objects of other kinds: where their templates are, by a table or by their shape, and as what they are judged.

Belongs here: the table of kinds, and functions from an object to the pods that it would make. Does not belong here: any
verdict about these pods (`webhook.admission.checks`), and kinds of Kubernetes itself (`admission.model.kinds`).
"""
