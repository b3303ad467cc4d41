"""The requirements of a plugin on its network: a plugin before it, IPAM, capabilities, a device (CNI 1.1 §3)."""

from __future__ import annotations

from cniplugin.netspec.jsontext import join
from webhook.admission.plugins.decoding import Budget
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.placement import Placed, holds
from webhook.admission.plugins.schema import PluginSchema
from webhook.admission.plugins.spelling import near_miss

RUNTIME_CAPABILITIES = frozenset(
    {"portMappings", "bandwidth", "ips", "mac", "infinibandGUID", "deviceID", "CNIDeviceInfoFile", "ipRanges"}
)
"""Capabilities that Multus fills in. The meaning of others is between a plugin and its runtime."""
OTHER_CAPABILITIES = frozenset({"aliases", "dns"})
"""Capabilities that other runtimes fill in (CNI CONVENTIONS.md), so they are not misspelt."""

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


def predecessor_findings(placed: Placed) -> Findings:
    """Yield plugins that are missing earlier in the list; a plugin without a schema may be the one that is needed."""
    schema = placed.schema
    if not placed.earlier or not all(placed.earlier.values()):
        return
    for needed in schema.predecessors:
        if holds(needed.when, placed.values) and not set(needed.types) & set(placed.earlier):
            detail = f"the plugin {schema.type} needs one of these earlier in the list"
            allowed = ", ".join(needed.types)
            yield PluginFinding(
                code=needed.code, path=placed.path, detail=detail, allowed=allowed, refusal=needed.refusal
            )


def requirement_findings(placed: Placed) -> Findings:
    """Yield a finding if required IPAM is absent, and one if no source gives the plugin its device.

    A device is given if the network names a resource, for which Multus fills in a deviceID, or by a ResourceClaim.
    """
    schema, values = placed.schema, placed.values
    needs_ipam = schema.ipam == "required" or (schema.ipam == "first" and not placed.earlier)
    if needs_ipam and values.find("ipam.type") is None:
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
        fix = "add the annotation k8s.v1.cni.cncf.io/resourceName"
        yield PluginFinding(code="NAD406", path=placed.path, detail=detail, fix=fix, refusal=schema.device_refusal)


def misspelt_findings(placed: Placed, budget: Budget) -> Findings:
    """Yield unknown capabilities that resemble a known one. Their letter case counts."""
    for name in sorted(placed.declared - RUNTIME_CAPABILITIES - OTHER_CAPABILITIES):
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
