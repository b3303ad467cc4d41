"""The cluster as decisions see it: an immutable snapshot, made from watches, and live look-ups for other objects.

Belongs here: the kept parts of each object, the indexed snapshot that decisions ask, and keeping it up to date.
Does not belong here: any decision about an object, wording for kubectl, YAML files (`webhook.trees`).
Must not know: who reads a snapshot, or why.
"""
