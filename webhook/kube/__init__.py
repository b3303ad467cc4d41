"""The API server's client: connection and credentials, list and watch, leases, errors.

It knows no kind of nadmit. What is asked for, and what an answer means, is the caller's business.
"""
