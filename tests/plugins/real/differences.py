"""Where the plugins and our knowledge of them may differ, each with its reason; all else is a failure.

docs/conformance.md, section "CNI plugins", says the same for people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from webhook.admission.plugins.finding import PluginFinding


class Theirs(NamedTuple):
    """What a plugin may say though we say nothing: it, or its node, fails and not its configuration alone."""

    plugin: str
    said: str
    why: str


class Newer(NamedTuple):
    """Keys that older releases of a plugin do not read, so they refuse nothing there; `since`: the first that does."""

    plugin: str
    path: str
    since: str


THEIRS: Sequence[Theirs] = ()
NEWER: Sequence[Newer] = ()


def excuse(plugin: str, said: str) -> str:
    """Return why a plugin may refuse what we accept; "" when it may not."""
    return next((item.why for item in THEIRS if item.plugin in {plugin, ""} and re.search(item.said, said)), "")


def is_newer(plugin: str, finding: PluginFinding) -> bool:
    """Say whether a finding is about what older releases do not read."""
    return any(item.plugin == plugin and re.search(item.path, finding.path) for item in NEWER)
