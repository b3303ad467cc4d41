"""The knowledge of DRA drivers that attach networks: one JSON file for each driver.

Belongs here: the files, reading them, reading what admins write in the same form. Does not belong here: what a driver
does with a claim (`webhook.admission.dra`).
"""
