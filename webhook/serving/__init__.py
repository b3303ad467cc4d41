"""The sockets of the webhook: TLS, HTTP and probes; nothing about reviews.

Belongs here: listening, TLS and its certificate, who may call, limits against hostile or broken clients, draining,
probes. Does not belong here: decisions about objects, the wire form of an AdmissionReview, caches, settings. Must not
know: how a review is decided; it is a callable, body in and answer out.

Arrows: `server` > `shortcut` > `httpconnection` > `http`; `server` > `readbuffer`; `httpconnection` > `deadline`;
`shortcut` > `knownheads`; `app` > `reviewpaths` > `http`.
"""
