"""The keys of nadmit: its own certificate authority, the webhook's certificate, and the tokens of the registered paths.

Belongs here: issuing, renewing and rotating certificates; the files and the content of the Secret that keep them; the
caBundle that makes API servers trust them; the tokens of paths, which are kept beside them.
Does not belong here: serving with them (`webhook.serving.tls`), requests to an API server (`store` has Protocols).
Must not know: webhook.
"""
