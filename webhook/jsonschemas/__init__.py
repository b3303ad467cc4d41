"""JSON Schemas of the files that people write, for editors: draft-07, which yaml-language-server understands.

Belongs here: one module for each kind of file, which makes its schema from what reads the file. Does not belong here:
judging; a schema is a first look while somebody types, and never refuses a text that the webhook admits. Must not know:
files, and how a schema is printed.
"""
