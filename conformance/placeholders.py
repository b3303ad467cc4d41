"""The placeholders `{name}` in a subject file: paths of the rig, and the default network of a test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

PLUGIN_NAMES = frozenset(
    {"binDir", "confDir", "defaultNetwork", "deviceInfoDir", "here", "host", "kubeconfig", "kubeletDir", "port"}
    | {"python", "state", "work"}
)
"""The placeholders of a plugin with its daemon."""
WEBHOOK_NAMES = frozenset(
    {"account", "certificates", "here", "host", "kubeconfig", "port", "probePort", "python", "webhookPort", "work"}
)
"""The placeholders of a webhook."""
_NAME = re.compile(r"\{(\w+)\}")


def fill(value: Any, values: Mapping[str, Any]) -> Any:
    """Replace `{name}` in each text of a value; a text that is one name alone becomes the value itself.

    A name that is not in `values` stays as it is, because JSON has braces too.
    """
    if isinstance(value, str):
        whole = _NAME.fullmatch(value)
        if whole and whole[1] in values:
            return values[whole[1]]
        return _NAME.sub(lambda found: _as_text(values[found[1]]) if found[1] in values else found[0], value)
    if isinstance(value, list):
        return [fill(one, values) for one in value]
    if isinstance(value, dict):
        return {key: fill(one, values) for key, one in value.items()}
    return value


def names_in(value: Any) -> Iterator[str]:
    """Yield the names in braces that `fill` would look for in a value."""
    if isinstance(value, str):
        yield from _NAME.findall(value)
    elif isinstance(value, dict):
        yield from (name for one in value.values() for name in names_in(one))
    elif isinstance(value, list):
        yield from (name for one in value for name in names_in(one))


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
