"""The keys of nadmit: its own certificate authority, the webhook's certificate, and the files they live in.

Belongs here: issuing, renewing and rotating certificates; the files or the Secret they live in, and the caBundle that
makes API servers trust them; the tokens of the registered paths, which live beside them. Does not belong here: serving
with them (`webhook.serving.tls`), admission. Must not know: webhook, cniplugin.

Arrows: `__main__` > `cli` > `rotator` > `kubestore` > `store`; `rotator` > `rotation` > `cabundle` and `state` >
`authority`; `rotator` > `tokenkeeper` > `files`, `pathtokens` and `rounds`; `cli` > `files` > `authority`.
"""
