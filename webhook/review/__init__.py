"""One AdmissionReview: bytes to a request, the decision, which may be cached, and bytes again.

Nothing here opens a socket; `webhook.serving` does.
"""
