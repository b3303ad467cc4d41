"""The NadmitConfiguration: the settings that administrators may change while a server runs.

Belongs here: the fields (`sections`), a text to its value or to its problems (`parsing`), the configuration in force
and the text that was refused (`current`), the two places that it comes from (`filesource`, `configmap`), and the
schemas of --plugin-schemas (`schemafiles`).
Does not belong here: the effect of a setting on a pod (`admission`), and options of the command line (`commands`).
Must not know: how reviews come in. A text that is refused changes nothing, and never stops a running server.
"""
