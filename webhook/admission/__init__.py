"""The decision about one request: values in, a `Decision` out.

Belongs here: the model of a request, what is checked for which kind, every word a user reads. Does not belong here:
bytes, HTTP, clocks, caches' filling, logs, metrics. Must not know: how the request came or where the store's data
come from.
"""
