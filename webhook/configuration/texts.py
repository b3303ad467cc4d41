"""What is the same for every text of a configuration: its greatest size, and the error of one that cannot be used.

Apart from `parsing`, so that a server that never gets such a text does not load pydantic, which takes 6 MiB.
"""

from __future__ import annotations

from webhook.trees.problems import ManifestError

BYTES_MAX = 262_144
"""A quarter of the size of a ConfigMap: the last good text is beside it. Locating problems takes 50 ms."""
RULE = "configuration"


class ConfigurationError(ManifestError):
    """A configuration that cannot be used; `problems` has every reason, in the order of its lines."""
