"""Keys of other plugins: authors copy a configuration, change `type`, and leave keys that the new plugin does not read.

CNI plugins ignore keys that they do not know, so the pod starts and lacks what the key asks for. A key that no known
plugin has gets no finding: it may be a comment, or for a program that reads the definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.schema import PluginSchema

OWNERS_MAX = 3
"""Plugins that a message names."""

WELL_KNOWN = frozenset({"bridge", "host-local", "ipvlan", "macvlan", "ovs", "sriov", "static", "vlan", "whereabouts"})
"""Plugins that a message names first, because authors copy their configurations most."""

QUIET = frozenset(
    {
        *(
            "logLevel",
            "logFile",
            "log_level",
            "log_file",
            "kubernetes",
            "kubeconfig",
            "configuration_path",
            "datastore",
        ),
        *("etcd_host", "etcd_username", "etcd_password", "etcd_key_file", "etcd_cert_file", "etcd_ca_cert_file"),
        *("dns", "sleep_for_race", "leader_lease_duration", "leader_renew_deadline", "leader_retry_period"),
    }
)
"""Keys about a program and its records. The pod lacks nothing if nobody reads them. NB: kubelets ignore the DNS of a
network as well."""

INSTEAD: Mapping[tuple[str, str], str] = {
    ("macvlan", "vlan"): 'frames leave untagged; write the interface of the VLAN as "master"',
    ("ipvlan", "vlan"): 'frames leave untagged; write the interface of the VLAN as "master"',
    ("whereabouts", "subnet"): 'write "range"',
    (
        "host-local",
        "exclude",
    ): 'those addresses are handed out; write "ranges" with "rangeStart" and "rangeEnd" around them',
    ("macvlan", "isDefaultGateway"): 'for a default route, write "routes" inside "ipam"',
    ("ipvlan", "isDefaultGateway"): 'for a default route, write "routes" inside "ipam"',
    ("macvlan", "bridge"): 'write the interface of the node as "master"',
    ("ipvlan", "bridge"): 'write the interface of the node as "master"',
    ("bridge", "master"): 'connect the interface to the bridge on each node, and write "bridge"',
}
"""What to do instead of writing a key for a plugin."""


class ForeignKeys:
    """The keys of the other known plugins. `inside_ipam`: whether the object is that of an IPAM plugin.

    Outside `ipam`, keys of IPAM plugins are NAD109.
    """

    def __init__(self, schemas: Iterable[PluginSchema], ignored: PluginSchema, *, inside_ipam: bool) -> None:
        self._schemas = schemas
        self._ignored = ignored
        self._inside_ipam = inside_ipam

    def findings(self, plugin: str, key: str, where: str) -> Findings:
        """Yield a finding if another plugin has the key, in the same spelling."""
        if key in QUIET or key in self._ignored.also_reads:
            return
        owners = sorted(set(self._owners(key)), key=lambda kind: (kind not in WELL_KNOWN, kind))
        if owners:
            names = ", ".join(owners[:OWNERS_MAX]) + (" and others" if len(owners) > OWNERS_MAX else "")
            detail = f"the plugin {plugin} does not read this key, so it has no effect; it is a key of {names}"
            fix = INSTEAD.get((plugin, key), "remove it")
            yield PluginFinding(code="NAD115", path=where, detail=detail, fix=fix)

    def _owners(self, key: str) -> Iterator[str]:
        for schema in self._schemas:
            if (
                key in schema.keys
                and schema.type != self._ignored.type
                and (self._inside_ipam or schema.kind != "ipam")
            ):
                yield schema.type
