"""CNI as a protocol: this process as a plugin that a runtime calls, and the plugins that it calls in turn.

Here: environment and stdin to values, results and errors to JSON, one call of one plugin, a list of plugins taken
through a verb. Not here: which networks a pod gets, and what is recorded.
"""
