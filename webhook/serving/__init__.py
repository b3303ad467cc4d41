"""The HTTPS edge: what the API server's client and every other client of the two ports meets.

Belongs here: listening, TLS and its certificate, limits against hostile or broken clients, draining, the wire
form of an AdmissionReview, probes. Does not belong here: any decision about an object, caches, settings. Must
not know: how a review is decided; it is given as a callable, body in and answer out.

Arrows: `server` > `protocol`, `app`, `probes`, `tls` > `http`.
"""
