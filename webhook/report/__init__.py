"""Results of commands as text: for people, for machines, and as kubectl would print them. Pure: values in, text out.

Belongs here: one module per format. Does not belong here: any decision, any wording about networks, terminals, files.
Must not know: how a finding came about.
"""
