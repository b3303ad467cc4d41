"""Rules about the configuration of CNI plugins that a table of keys cannot express; `registry` has them by name.

Belongs here: functions from a plugin in its place to findings. Does not belong here: limits of single keys, which are
in the schemas (`webhook/plugindata`).
"""
