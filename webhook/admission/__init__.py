"""The decision about one request: values in, a `Decision` out.

Belongs here: the model of a request, the checks of each kind, every sentence that a user reads about a decision. Does
not belong here: bytes, HTTP, clocks, the filling of caches, logs, metrics. Must not know: who sent the request, or
where the data of the cluster come from.
"""
