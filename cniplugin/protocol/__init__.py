"""CNI as a protocol: this process as the plugin of a runtime, and the plugins that this process calls.

Belongs here: environment and stdin to values, results and errors to JSON, one call of a plugin, a list of plugins
through a verb. Does not belong here: which networks a pod gets, and the records.
"""
