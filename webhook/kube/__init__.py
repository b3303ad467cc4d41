"""The one client of the API server: connection and credentials, errors, list and watch, leases, events, single objects.

It knows no kind of nadmit. Callers decide what to ask and what a response means.
"""
