"""The NadmitConfiguration: what admins may change while a server runs, from a file or a ConfigMap.

Belongs here: the fields (`model`, one file per section), a text to a value or to its problems (`text`), what is in
force and what was refused (`inforce`), the two places it comes from (`file`, `configmap`), and what is told about it
(`events`, `metrics`).
Does not belong here: what a setting does to a pod (`admission`), and options of the command line (`commands`).
Must not know: how reviews come in. A text that is refused changes nothing, and never stops a server that runs.
"""
