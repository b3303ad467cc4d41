"""The texts of codes such as NAD101, from `_codes.json`: `nadmit explain`, SARIF and docs/messages.md show them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("_codes.json")


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code; `webhook.admission.plugins.findings` has its severity.

    `example`: a configuration that has exactly this finding, with `checks` as the arguments of `PluginChecks`. `fix`:
    what to do about it.

    `pod`: for NAD6xx, the networks annotation of a pod that has exactly this finding; it names `net`, a network in its
    own namespace with the configuration `example`. `other_pod`: the annotation of a pod of this namespace that runs
    already, None if the finding needs no other pod. `other_network`: the configuration of a definition that exists
    already, `other` in the same namespace, None if the finding needs no other definition.
    """

    title: str
    meaning: str
    example: dict[str, Any]
    fix: str
    pod: list[Any] | None = None
    other_pod: list[Any] | None = None
    other_network: dict[str, Any] | None = None
    checks: dict[str, Any] = {}


@cache
def load_codes() -> Mapping[str, Code]:
    """Return the codes by name, sorted. The file is read once, and only by those who show texts."""
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Code])
