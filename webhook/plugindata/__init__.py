"""The knowledge of CNI plugins as files, one a plugin, in this package's own words; facts read at the commits named.

Belongs here: the files, their format, reading them. Does not belong here: what follows from them. To add a plugin, add
a file; to add a rule that a file cannot say, see `webhook.admission.plugins.rules.registry`.
"""
