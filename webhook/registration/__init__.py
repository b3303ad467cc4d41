"""REGISTRATION: what the API server is told about the webhook, and how it is kept so.

Here: the table of webhooks, their CEL conditions, comparing them with what is registered, and the thread that keeps
one named object as it should be. Not here: reviews, certificates, the rotation of the authority. It must not know how
reviews are judged, but for the names of kinds and annotations.
"""
