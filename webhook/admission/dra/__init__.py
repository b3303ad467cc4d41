"""Dynamic resource allocation (resource.k8s.io): the networks that a claim attaches a pod to.

Belongs here: claims, templates, classes and drivers as values, the reading of parameters, the resulting attachments.
Does not belong here: whether a pod may attach (`cniplugin.access`, `webhook.admission.checks`), where objects come from
(`webhook.snapshot`), the wording of decisions (`webhook.admission.wording`).
"""
