"""The knowledge of DRA drivers that attach networks, as frozen values. Files and admins write it with the same fields.

A driver reads the opaque parameters of a configuration: `config[].opaque{driver, parameters}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from webhook.admission.plugins.schema import Key

Reading = Literal["strict", "exact", "folding"]
"""How a driver reads keys. strict: letter case counts, and an unknown key is an error (sigs.k8s.io/json strict). exact:
letter case counts, and an unknown key is ignored. folding: any letter case counts, and an unknown key is ignored
(encoding/json)."""

Precedence = Literal["merge", "first", "last"]
"""Which of several configurations for one request counts; those of its class come before its own. merge: the last value
of each field. first, last: only that configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionKeys:
    """Where parameters name a NetworkAttachmentDefinition.

    `namespace`: "" if the driver has no such key; without a namespace, the claim's namespace counts. `may_be_unread`:
    some versions of the driver do not read the namespace, and use the claim's.
    """

    name: str
    namespace: str = ""
    may_be_unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKeys:
    """Where a network configuration of the driver's own has the values that access rules limit; "" for nowhere.

    All are dotted paths. `ips`: addresses with their prefix; `mac`: a MAC address; `routes`: a list of objects with
    `destination` and `gateway`.
    """

    ips: str = ""
    mac: str = ""
    routes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Driver:
    """One DRA driver. It is equal to itself alone, so that it can be the key of cached readings.

    `driver`: its name, as `opaque.driver` has it. `title`: the project, for messages; "" for its name. `source`: where
    the facts were read. `api_versions`, `kinds`: the allowed apiVersion and kind of parameters; () if the driver does
    not check them. `keys`: of the parameters. `definition`: None if parameters do not name a definition. `cni`: the
    dotted path of a CNI configuration, an object or its text; "" for none. `requests`: None if parameters are not a
    network configuration of the driver's own. `interface`: the dotted path of the interface name; "" for none.
    """

    driver: str
    title: str = ""
    source: str = ""
    reading: Reading = "exact"
    precedence: Precedence = "last"
    api_versions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    definition: DefinitionKeys | None = None
    cni: str = ""
    requests: RequestKeys | None = None
    interface: str = ""


KNOWN_DRIVERS = ("cni.dra.networking.x-k8s.io", "dra.net", "sriovnetwork.k8snetworkplumbingwg.io")
"""The drivers of `webhook.driverdata`, sorted. Admins may describe more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drivers:
    """The drivers whose parameters are read, by name. The value is equal to itself alone."""

    by_name: Mapping[str, Driver] = field(default_factory=dict)
