"""The knowledge of CNI plugins as files: one for each plugin, and `_codes.json` with the texts of codes.

Belongs here: the files, reading them, reading what admins write in the same form. Does not belong here: checks. To add
a plugin, add a file; `source` names the commit whose code was read. For a rule that a file cannot express, see
`webhook.admission.plugins.rules.registry`.
"""
