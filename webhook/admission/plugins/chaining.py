"""The requirements of a plugin on its network: a plugin before it, IPAM, capabilities, a device (CNI 1.1 §3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from cniplugin.netspec.jsontext import join
from cniplugin.netspec.versions import VERSION_WHEN_ABSENT, number
from webhook.admission.plugins.decoding import Budget
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.placement import Placed, Test
from webhook.admission.plugins.rules.ipam import OLD_VERSIONS
from webhook.admission.plugins.schema import PluginSchema, Predecessor
from webhook.admission.plugins.spelling import near_miss

RUNTIME_CAPABILITIES = frozenset(
    {"portMappings", "bandwidth", "ips", "mac", "infinibandGUID", "deviceID", "CNIDeviceInfoFile", "ipRanges"}
)
"""Capabilities that Multus fills in. The meaning of others is between a plugin and its runtime."""
LIST_KEYS = frozenset(
    {
        *(
            "name",
            "cniVersion",
            "cniVersions",
            "type",
            "plugins",
            "disableCheck",
            "disableGC",
            "loadOnlyInlinedPlugins",
        ),
        *("args", "dns", "prevResult", "runtimeConfig", "deviceID", "pciBusID", "cni.dev/valid-attachments"),
    }
)
"""Keys of a list that the runtime reads, or whose place is no mistake: `deviceID` is put there by other tools."""
PLUGIN_KEYS = frozenset({"ipam", "capabilities"})
"""Keys of every plugin, and not of a list."""
FIRST_WITHOUT_ADDRESSES = "0.3.0"
"""The first CNI version whose result may be without addresses."""
OTHER_CAPABILITIES = frozenset({"aliases", "dns"})
"""Capabilities that other runtimes fill in (CNI CONVENTIONS.md), so they are not misspelt."""

KNOWN_CAPABILITIES = RUNTIME_CAPABILITIES | OTHER_CAPABILITIES

READ_IPAM = frozenset({"host-local", "static", "whereabouts"})
"""IPAM plugins that stop if the configuration has no `ipam`. dhcp asks its daemon."""


def order_findings(placed: Placed, *, has_ipam: bool) -> Findings:
    """Yield a plugin in the wrong place: an IPAM plugin outside `ipam`, or a chained plugin that comes first."""
    schema = placed.schema
    if schema.kind == "ipam":
        yield _ipam_as_main(placed, has_ipam=has_ipam)
    if schema.chained_only and not placed.earlier:
        detail = f"the plugin {schema.type} changes the interface of an earlier plugin, and no plugin comes before it"
        fix = "put it into a list, after the plugin that makes the interface"
        yield PluginFinding(code="NAD401", path=placed.path, detail=detail, fix=fix, refusal=schema.chained_refusal)


NO_IPAM_REFUSAL = "IPAM config missing 'ipam' key"
"""host-local, static and whereabouts: they read `ipam` of the configuration, and stop without it."""


def _ipam_as_main(placed: Placed, *, has_ipam: bool) -> PluginFinding:
    """Return the finding about an IPAM plugin that is written as a plugin of the network."""
    kind, fix = placed.schema.type, 'write it as "ipam" of a main plugin'
    detail = f"{kind} hands out addresses and does not make an interface"
    if kind in READ_IPAM and not has_ipam:
        return PluginFinding(code="NAD520", path=placed.path, detail=detail, fix=fix, refusal=NO_IPAM_REFUSAL)
    return PluginFinding(code="NAD403", path=placed.path, detail=detail, fix=fix)


def no_ipam_findings(schema: PluginSchema, path: str) -> Findings:
    """Yield the plugin in the `ipam` object at `path` if it does not hand out addresses."""
    detail = f"the plugin {schema.type} does not hand out addresses"
    yield PluginFinding(code="NAD403", path=join(path, "type"), detail=detail, fix="write an IPAM plugin")


def version_findings(placed: Placed) -> Findings:
    """Yield a plugin that does not speak the network's CNI version; it refuses ADD (cni pkg/skel checkVersionAndCall).

    A version after all that the plugin speaks is a warning, because a later release may speak it.
    """
    spoken, version = placed.schema.cni_versions, placed.network.cni_version
    if not spoken or version in spoken or placed.schema.opaque:
        return ()
    is_newer = number(version) > number(spoken[-1])
    detail = f"the plugin {placed.schema.type} does not speak the network's CNI version"
    finding = PluginFinding(
        code="NAD113" if is_newer else "NAD112",
        path=placed.path,
        detail=f"{detail}, unless its release is newer than we know" if is_newer else detail,
        value=version,
        allowed=", ".join(spoken),
        fix=f'write "cniVersion": "{spoken[-1] if is_newer else spoken[0]}"{"" if is_newer else " or later"}',
        refusal=f'incompatible CNI versions; config is "{version}", plugin supports',
    )
    return (finding,)


def old_result_findings(placed: Placed) -> Findings:
    """Yield a network without addresses whose CNI version has no result without them (cni pkg/types/020).

    The plugin makes the interface and then fails to write its result. A network that lacks required IPAM is NAD301.
    """
    schema = placed.schema
    if placed.network.cni_version not in OLD_VERSIONS or placed.earlier:
        return ()
    if schema.interface != "always" or schema.ipam != "optional" or placed.values.find("ipam.type") is not None:
        return ()
    finding = PluginFinding(
        code="NAD114",
        path=placed.path,
        detail="without IPAM there are no addresses, and a result of this CNI version cannot be without them",
        value=placed.cni_version,
        fix=f'write "cniVersion": "{FIRST_WITHOUT_ADDRESSES}" or later (without one, it is {VERSION_WHEN_ABSENT})',
        refusal="cannot convert: no valid IP addresses",
    )
    return (finding,)


def interface_finding(placed: Placed, maker: PluginSchema) -> PluginFinding:
    """Return the finding about a plugin that makes the interface, behind `maker`, which has made it: it is taken."""
    is_certain = maker.interface == "always" == placed.schema.interface
    detail = (
        f"the plugin {maker.type} before it makes the interface of the network, and {placed.schema.type} makes it again"
    )
    return PluginFinding(
        code="NAD408" if is_certain else "NAD409",
        path=placed.path,
        detail=detail
        if is_certain
        else f"{detail}, unless one of them has a device without an interface, as with DPDK",
        fix="write a network for each of them; a pod may select both",
        refusal=_taken_refusal(placed.schema.type) if is_certain else "",
    )


def makes_interface(placed: Placed) -> bool:
    """Say whether a plugin makes the interface of the network. NB: a bridge can be told to make the bridge alone."""
    schema = placed.schema
    is_maker = schema.kind == "main" and schema.interface != "never" and not schema.opaque
    return is_maker and placed.values.get("disableContainerInterface") is not True


def _taken_refusal(name: str) -> str:
    """Return the error of a plugin whose interface exists. NB: bridge and ptp look for the name before they make it."""
    return "container veth name provided (...) already exists" if name in {"bridge", "ptp"} else "file exists"


def untyped_ipam_findings(placed: Placed, conf: Mapping[str, object]) -> Findings:
    """Yield `ipam` that has keys and no type, so that no program reads them. Where IPAM is required, it is NAD301."""
    if not conf.get("ipam") or placed.values.find("ipam.type") is not None or _needs_ipam(placed):
        return ()
    detail = "without type, no program reads these keys, and the interface gets no address"
    fix = 'add "type", such as "host-local"'
    return (PluginFinding(code="NAD117", path=placed.where("ipam"), detail=detail, fix=fix),)


def _needs_ipam(placed: Placed) -> bool:
    """Say whether a plugin fails without IPAM in its place."""
    ipam = placed.schema.ipam
    return ipam == "required" or (ipam == "first" and not placed.earlier)


def list_level_findings(conf: Mapping[str, object], schemas: Mapping[str, PluginSchema], budget: Budget) -> Findings:
    """Yield keys of plugins that stand beside `plugins`: the runtime passes a plugin its own object (CNI 1.1 §3)."""
    if LIST_KEYS.issuperset(conf):  # nearly always
        return ()
    return _list_level_findings(conf, schemas, budget)


def _list_level_findings(
    conf: Mapping[str, object], schemas: Mapping[str, PluginSchema], budget: Budget
) -> Iterator[PluginFinding]:
    for key, value in conf.items():
        if key in LIST_KEYS or value is None or not budget.spend_lookup():
            continue
        if key in PLUGIN_KEYS or any(key in schema.keys for schema in schemas.values()):
            detail = 'nothing reads this key beside "plugins", so it has no effect'
            fix = "move it into the plugin that it is for"
            yield PluginFinding(code="NAD116", path=join("", key), detail=detail, fix=fix)


def predecessor_findings(placed: Placed, predecessors: Collection[tuple[Test, Predecessor]]) -> Findings:
    """Yield plugins that are missing earlier in the list; a plugin without a schema may be the one that is needed.

    `predecessors`: those of the plugin, each with the test of its conditions.
    """
    if not predecessors or not placed.earlier or not all(placed.earlier.values()):
        return ()
    return [
        PluginFinding(
            code=needed.code,
            path=placed.path,
            detail=f"the plugin {placed.schema.type} needs one of these earlier in the list",
            allowed=", ".join(needed.types),
            refusal=needed.refusal,
        )
        for test, needed in predecessors
        if test(placed.values) and placed.earlier.keys().isdisjoint(needed.types)
    ]


def requirement_findings(placed: Placed) -> Findings:
    """Yield a finding if required IPAM is absent, and one if no source gives the plugin its device.

    A device is given if the network names a resource, for which Multus fills in a deviceID, or by a ResourceClaim.
    """
    schema, values = placed.schema, placed.values
    if _needs_ipam(placed) and values.find("ipam.type") is None:
        detail = f"the plugin {schema.type} needs IPAM"
        refusal = schema.ipam_refusal
        fix = 'add "ipam" with its type'
        yield PluginFinding(code="NAD301", path=placed.where("ipam"), detail=detail, fix=fix, refusal=refusal)
    if (
        schema.device_keys
        and not placed.network.has_resource
        and not any(values.get(key) for key in schema.device_keys)
    ):
        keys = ", ".join(schema.device_keys)
        detail = f"nothing gives the plugin {schema.type} a device: no {keys}, and the network names no resource"
        fix = (
            "add the annotation k8s.v1.cni.cncf.io/resourceName, or nadmit.io/devices-from: ResourceClaim if claims "
            "give the devices"
        )
        yield PluginFinding(code="NAD406", path=placed.path, detail=detail, fix=fix, refusal=schema.device_refusal)


def misspelt_findings(placed: Placed, budget: Budget) -> Findings:
    """Yield unknown capabilities that resemble a known one. Their letter case counts."""
    return () if placed.declared <= KNOWN_CAPABILITIES else _misspelt_findings(placed, budget)


def _misspelt_findings(placed: Placed, budget: Budget) -> Iterator[PluginFinding]:
    for name in sorted(placed.declared - KNOWN_CAPABILITIES):
        meant = near_miss(name, sorted(RUNTIME_CAPABILITIES)) if budget.spend_lookup() else None
        if meant is not None:
            path = placed.where(f"capabilities.{name}")
            detail = f"no runtime passes {name} on"
            yield PluginFinding(code="NAD404", path=path, detail=detail, fix=f'did you mean "{meant}"?')


def capability_findings(placed: Placed, ipam: PluginSchema | None) -> Findings:
    """Yield declared capabilities that no plugin reads, and a missing one without which the plugin does nothing.

    A plugin that takes a request from the pod's annotation honours it with the capability or without. `ipam`: the
    schema of its IPAM plugin, which reads the same `runtimeConfig`.
    """
    if not placed.declared and not placed.schema.idle_without:
        return ()
    return _capability_findings(placed, ipam)


def _capability_findings(placed: Placed, ipam: PluginSchema | None) -> Iterator[PluginFinding]:
    schema = placed.schema
    reads = schema.capabilities | schema.reads_pod
    if ipam is not None:
        reads |= ipam.capabilities | ipam.reads_pod
    for name in sorted((placed.declared & RUNTIME_CAPABILITIES) - reads):
        path = placed.where(f"capabilities.{name}")
        if name == "ips" and ipam is not None:
            detail = f"IPAM {ipam.type} does not give a pod the address that it asks for"
            yield PluginFinding(code="NAD407", path=path, detail=detail, fix="remove it, or use another IPAM plugin")
            continue
        by = f"{schema.type} with IPAM {ipam.type}" if ipam else schema.type
        yield PluginFinding(code="NAD404", path=path, detail=f"the plugin {by} does not read {name}", fix="remove it")
    if schema.idle_without and schema.idle_without not in placed.declared:
        detail = f"the plugin {schema.type} does nothing without the capability {schema.idle_without}"
        fix = f'add "capabilities": {{"{schema.idle_without}": true}}'
        yield PluginFinding(code="NAD405", path=placed.path, detail=detail, fix=fix)
