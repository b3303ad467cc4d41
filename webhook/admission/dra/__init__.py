"""Dynamic resource allocation (resource.k8s.io): which networks a claim attaches a pod to, and what a driver reads.

Belongs here: the values of claims, templates, classes and drivers, and what follows from them. Does not belong here:
whether a pod may attach (`cniplugin.access`, `checks`), where objects come from (`webhook.snapshot`), and the words of
decisions (`messages`).
"""
