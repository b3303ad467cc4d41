"""Results of commands as text: for people, for programs, and as kubectl would print them. Pure: values in, text out.

Belongs here: formats of results, and pages of docs/ that are written from data. Does not belong here: decisions, the
wording of refusals, terminals, files. Must not know: how a finding was made.
"""
