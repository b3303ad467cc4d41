"""What was attempted on this node: the journal, the caches that libcni and Multus left, and giving a record up.

A record is written before the work that it names. Nothing here calls a plugin or the API server.
"""
