"""An object of the cluster as far as its status is concerned, and what is to be written of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cniplugin.access.model.policyrules import GROUP, VERSION

API_VERSION = f"{GROUP}/{VERSION}"


class Stored(NamedTuple):
    """An object that the API server has.

    `version` is its resourceVersion, `value` what `read_policy` and `read_config` want.
    """

    kind: str
    name: str
    uid: str
    version: str
    generation: int
    status: Mapping[str, Any]
    value: Mapping[str, Any]


class Event(NamedTuple):
    """What happened to an object, for people. `type` is Normal or Warning; `note` has at most 1,024 bytes."""

    type: str
    reason: str
    action: str
    note: str


class Write(NamedTuple):
    """A status that differs from the stored one, and what its change means."""

    stored: Stored
    status: Mapping[str, Any]
    events: tuple[Event, ...]
