"""AdmissionReviews and the webhook that answers them: what an API server sends, and what it makes of the answer.

Nothing here knows a particular webhook, and nothing here judges a network: the profiles do.
"""
