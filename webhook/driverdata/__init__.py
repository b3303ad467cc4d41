"""What is known of DRA drivers that attach networks: one JSON file for each, and what reads those of admins.

Belongs here: the format, the files, their mistakes. Does not belong here: what follows from them (`admission.dra`).
"""
