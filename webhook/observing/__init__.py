"""The list of what stage Observe admits and the next stage would refuse.

Belongs here: the list by rule and namespace, its form in a ConfigMap, and the thread that adds to it.
Does not belong here: the decision to admit (`webhook.review`), the stage itself (`webhook.registration`).
Must not know: texts of refusals. They may quote what a tenant wrote; the list names rules, objects and fields only.
"""
