"""One AdmissionReview: bytes to a request, the decision that is asked for or remembered, and bytes again.

Nothing here opens a socket; `webhook.serving` does.
"""
