"""The keys of nadmit: its own certificate authority, the webhook's certificate, and the files they live in.

Belongs here: issuing and renewing certificates, writing them so that an interruption never leaves a wrong
set. Does not belong here: serving with them (`webhook.serving.tls`), admission. Must not know: webhook,
cniplugin.

Arrows: `__main__` > `cli` > `files` > `authority`.
"""
