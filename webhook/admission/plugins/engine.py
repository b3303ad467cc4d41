"""Checks a network's configuration against the schemas of its plugins: one walk, findings in input order.

Why not JSON Schema: its messages name a keyword of the schema. An author needs the error that the plugin itself would
print in the events of a pod, the key that was probably meant, and a path in the form of all other refusals. JSON Schema
does not know how Go reads (letter case, null, integers) or that a list has an order, so half of the rules would be
code.

The engine gets the result of `cniconfig`, so `type`, `ipam` and `capabilities` have the right form.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from cniplugin.netspec.cniconfig import NetworkConfigList, PluginConfig
from cniplugin.netspec.jsontext import join
from cniplugin.netspec.netattachdef import RESOURCE_NAME
from cniplugin.netspec.plan import reaching_arguments
from webhook.admission.plugins import chaining
from webhook.admission.plugins.decoding import IPAM_ENVELOPE, Budget, Decoded, Decoder, OutOfBudgetError, shape_of
from webhook.admission.plugins.findings import Findings, PluginFinding
from webhook.admission.plugins.foreignkeys import QUIET, WELL_KNOWN, ForeignKeys
from webhook.admission.plugins.placement import (
    NO_ORIGIN,
    Network,
    Origin,
    Placed,
    constraint_findings,
    prepare_conditions,
    prepare_constraint,
)
from webhook.admission.plugins.routegateways import route_findings
from webhook.admission.plugins.rules.registry import ABOUT, RULES
from webhook.admission.plugins.schema import PluginChecks, PluginSchema
from webhook.admission.plugins.spelling import near_type

ERRORS_MAX = 100
"""Errors of one configuration; a refusal shows the first 20 causes."""
WARNINGS_MAX = 16
"""Warnings of one configuration: the API server shows 4,096 characters of warnings, each of at most 256."""

PLUGIN_VALUES = 4
"""The cost of a plugin besides its values: checking its place in the list takes as long as checking four values."""

ENVELOPE = frozenset(
    {
        *("cniVersion", "cniVersions", "name", "type", "plugins", "disableCheck", "disableGC"),
        *("loadOnlyInlinedPlugins", "capabilities", "ipam", "dns", "prevResult", "runtimeConfig", "args"),
        *("deviceID", "pciBusID", "cni.dev/valid-attachments"),
    }
)
"""Keys that every plugin may have: the runtime's own, and those that Multus adds (types/conf.go addDeviceID...)."""


def check_plugins(
    config: NetworkConfigList,
    annotations: Mapping[str, str],
    checks: PluginChecks,
    *,
    is_claimed: bool = False,
    origin: Origin = NO_ORIGIN,
) -> list[PluginFinding]:
    """Return the mistakes and surprises of each plugin of a network, in input order.

    `annotations`: of the NetworkAttachmentDefinition; its resource name counts. `is_claimed`: a ResourceClaim gives its
    plugins their device, whether or not it names a resource. `origin`: the definition itself. The check stops after
    ERRORS_MAX errors, and leaves out warnings beyond WARNINGS_MAX. Linear in the length of the configuration, up to
    `checks.values_max` values.
    """
    network = Network(
        name=config.written_name or "",
        cni_version=config.cni_version,
        size=len(config.plugins),
        has_resource=is_claimed or bool(annotations.get(RESOURCE_NAME)),
        origin=origin,
    )
    errors, warnings = 0, 0
    kept: list[PluginFinding] = []
    for finding in _within_budget(config, network, checks):
        if finding.is_error(checks.attached_by):
            errors += 1
            kept.append(finding)
            if errors == ERRORS_MAX:
                break
        elif warnings < WARNINGS_MAX:
            warnings += 1
            kept.append(finding)
    return kept


def _within_budget(config: NetworkConfigList, network: Network, checks: PluginChecks) -> Findings:
    try:
        yield from _walk(config, network, checks)
    except OutOfBudgetError:
        detail = f"nothing is known to be wrong, but the values after the first {checks.values_max} were not checked"
        yield PluginFinding(code="NAD110", path="", detail=detail)


def _walk(config: NetworkConfigList, network: Network, checks: PluginChecks) -> Findings:
    walk = _Walk(network, checks)
    is_list = config.is_list
    if is_list:
        yield from chaining.list_level_findings(config.conf, checks.schemas, walk.budget)
    for index, plugin in enumerate(config.plugins):
        walk.budget.spend(PLUGIN_VALUES)
        path = f"plugins[{index}]" if is_list else ""
        kind = plugin.type
        schema = checks.schemas.get(kind)
        if kind not in checks.exempt:
            found = walk.unknown_plugin(plugin, path) if schema is None else walk.plugin(plugin, schema, path)
            if found:
                yield from found
        walk.earlier[schema.type if schema else kind] = schema is not None and not schema.opaque
        walk.has_addresses = walk.has_addresses or plugin.ipam_type is not None or _may_give_addresses(schema)


def _may_give_addresses(schema: PluginSchema | None) -> bool:
    """Say whether a plugin may give addresses without an IPAM plugin of the configuration."""
    return schema is None or schema.opaque or schema.ipam == "own" or bool(schema.reads_pod)


NO_KEYS: frozenset[str] = frozenset()


class _Tables:
    """The tables of one schema, compiled once.

    `shape`: its keys. `known`: these, and those that every plugin may have. `predecessors`: each with the test of its
    conditions. `has_requirements`: whether it may need IPAM or a device.
    """

    def __init__(self, schema: PluginSchema, checks: PluginChecks) -> None:
        self.shape = shape_of(schema, checks)
        self.known = ENVELOPE.union(schema.keys)
        self.predecessors = tuple((prepare_conditions(needed.when), needed) for needed in schema.predecessors)
        self.has_requirements = schema.ipam in ("required", "first") or bool(schema.device_keys)
        self._attached_by = checks.attached_by
        self._constraints = tuple(map(prepare_constraint, schema.constraints))
        self._rules = tuple((ABOUT.get(name, NO_KEYS), RULES[name]) for name in schema.rules)

    def findings(self, placed: Placed) -> list[PluginFinding]:
        """Return the findings by the constraints and the rules of the schema, up to ERRORS_MAX errors of its rules.

        NB: nobody reads what follows these, and a hostile list has hundreds.
        """
        found = constraint_findings(placed, self._constraints)
        errors = 0
        for keys, rule in self._rules:
            if keys and keys.isdisjoint(placed.values):
                continue
            for finding in rule(placed):
                found.append(finding)
                errors += finding.is_error(self._attached_by)
                if errors == ERRORS_MAX:
                    return found
        return found


def _tables_of(schema: PluginSchema, checks: PluginChecks) -> _Tables:
    """Return the compiled tables of a schema of these checks, which keep them."""
    key = ("tables", id(schema))
    known: _Tables | None = checks.prepared.get(key)
    if known is None:
        known = checks.prepared[key] = _Tables(schema, checks)
    return known


class _Walk:
    """The state of one walk over a network.

    `earlier`: types of the plugins already passed, and whether the schema of each says what it makes. `maker`: the main
    plugin that has made the interface. `has_addresses`: whether one of them may have given it addresses. `reported`:
    types that have a finding about the type already.
    """

    def __init__(self, network: Network, checks: PluginChecks) -> None:
        self.network = network
        self.checks = checks
        self.earlier: dict[str, bool] = {}
        self.maker: PluginSchema | None = None
        self.has_addresses = False
        self.reported: set[str] = set()
        self.budget = Budget(checks.values_max)

    def unknown_plugin(self, plugin: PluginConfig, path: str) -> Findings:
        """Yield a finding about a plugin without a schema, and one about its IPAM if that resembles a known one."""
        yield from self._unknown_type(plugin.type, path, is_ipam=False)
        ipam = plugin.ipam_type
        known = {*self.checks.schemas, *self.checks.exempt}
        if ipam is not None and ipam not in known and self._meant_type(ipam, is_ipam=True) is not None:
            yield from self._unknown_type(ipam, join(path, "ipam"), is_ipam=True)

    def _unknown_type(self, name: str, path: str, *, is_ipam: bool) -> Findings:
        """Yield a finding about a type without a schema, once for each type."""
        if self.checks.unknown_types == "Off" or self._is_reported(name):
            return
        code = "NAD108" if self.checks.unknown_types == "Refuse" else "NAD107"
        detail = "this plugin type is unknown, so only the keys that all plugins share were checked"
        meant = self._meant_type(name, is_ipam=is_ipam)
        fix = f'did you mean "{meant}"? on nodes without a program of this name, pods do not start' if meant else ""
        yield PluginFinding(code=code, path=join(path, "type"), detail=detail, value=name, fix=fix)

    def _is_reported(self, name: str) -> bool:
        """Say whether a type has a finding already; from now on it has."""
        is_reported = name in self.reported
        self.reported.add(name)
        return is_reported

    def _opaque_type(self, name: str, path: str) -> Findings:
        """Yield a finding about an opaque type where unknown ones are refused: its keys do not say all that it does."""
        if self.checks.unknown_types == "Refuse" and not self._is_reported(name):
            detail = "nadmit does not know all that this plugin type does, so it counts as unknown"
            yield PluginFinding(code="NAD108", path=join(path, "type"), detail=detail, value=name)

    def _meant_type(self, name: str, *, is_ipam: bool) -> str | None:
        """Return the known type of the same kind of plugin that a name resembles."""
        if len(self.reported) > WARNINGS_MAX or not self.budget.spend_lookup():
            return None  # nobody would see it, and each costs half a millisecond
        known = [
            other
            for other, schema in self.checks.schemas.items()
            if (schema.kind == "ipam") is is_ipam or (is_ipam and schema.as_ipam is not None)
        ]
        return near_type(name, [*known, *sorted(self.checks.exempt)])

    def plugin(self, plugin: PluginConfig, schema: PluginSchema, path: str) -> Findings:
        """Return the findings about one plugin and its IPAM.

        NB: nearly all plugins have none. Then nothing is generated; what is found one by one, so that a caller may
        stop, are the mistakes of an object that is read with care.
        """
        if schema.opaque or schema.kind == "ipam" or (schema.chained_only and not self.earlier):
            return self._unusual_plugin(plugin, schema, path)
        tables = _tables_of(schema, self.checks)
        values = tables.shape.read(plugin.conf, self.budget, skipped=ENVELOPE)
        return (
            self._plugin_with_care(plugin, schema, tables, path)
            if values is None
            else self._read_plugin(plugin, tables, self._placed(plugin, schema, values, path))
        )

    def _unusual_plugin(self, plugin: PluginConfig, schema: PluginSchema, path: str) -> Findings:
        """Yield the findings about an opaque plugin, and about one in the wrong place."""
        if schema.opaque:
            yield from self._opaque_type(plugin.type, path)
        if schema.kind == "ipam" or (schema.chained_only and not self.earlier):
            placed = self._placed(plugin, schema, Decoded(), path)
            yield from chaining.order_findings(placed, has_ipam=plugin.conf.get("ipam") is not None)
            if schema.kind == "ipam":
                return
        yield from self._plugin_with_care(plugin, schema, _tables_of(schema, self.checks), path)

    def _plugin_with_care(self, plugin: PluginConfig, schema: PluginSchema, tables: _Tables, path: str) -> Findings:
        """Yield the findings about one plugin whose object may have mistakes."""
        values = Decoded()
        yield from self._decode(plugin, schema, tables, values, path)
        yield from self._read_plugin(plugin, tables, self._placed(plugin, schema, values, path))

    def _read_plugin(self, plugin: PluginConfig, tables: _Tables, placed: Placed) -> Findings:
        """Return the findings about a plugin whose object has been read."""
        schema, kind = placed.schema, plugin.ipam_type
        placed.values["ipam"] = Decoded({"type": kind})
        found = tables.findings(placed)
        self._find_place(placed, plugin, tables, found)
        if schema.opaque:
            return found
        ipam = self.checks.ipam_of(schema, kind)
        if ipam is not None or kind is None:
            found.extend(chaining.capability_findings(placed, ipam))
        if kind is None or not schema.checks_ipam(kind):
            return found
        inner = self._ipam(plugin, schema, ipam, join(placed.path, "ipam"))
        return chain(found, inner) if found and inner else found or inner

    def _find_place(self, placed: Placed, plugin: PluginConfig, tables: _Tables, found: list[PluginFinding]) -> None:
        """Add the findings about a plugin in its place: its version, the plugins before it, what it needs."""
        network, schema, has_ipam = self.network, placed.schema, plugin.ipam_type is not None
        if network.cni_version not in schema.cni_versions:
            found.extend(chaining.version_findings(placed))
        if not self.earlier:
            found.extend(chaining.old_result_findings(placed))
        if chaining.makes_interface(placed):
            if self.maker is None:
                self.maker = schema
            else:
                found.append(chaining.interface_finding(placed, self.maker))
        if not has_ipam:
            found.extend(chaining.untyped_ipam_findings(placed, plugin.conf))
        if tables.predecessors:
            found.extend(chaining.predecessor_findings(placed, tables.predecessors))
        if tables.has_requirements:
            found.extend(chaining.requirement_findings(placed))
        if placed.declared:
            found.extend(chaining.misspelt_findings(placed, self.budget))

    def _ipam(self, plugin: PluginConfig, main: PluginSchema, schema: PluginSchema | None, path: str) -> Findings:
        name = plugin.ipam_type or ""
        if name in self.checks.exempt:
            return ()
        if schema is None:
            known = self.checks.schemas.get(name)
            if known is not None:
                return chaining.no_ipam_findings(known, path)
            return self._unknown_type(name, path, is_ipam=True)
        tables = _tables_of(schema, self.checks)
        values = tables.shape.read(plugin.conf["ipam"], self.budget, skipped=IPAM_ENVELOPE)
        if values is None:
            return self._ipam_with_care(plugin, main, tables, schema, path)
        return self._read_ipam(main, tables, self._placed(plugin, schema, values, path))

    def _ipam_with_care(
        self, plugin: PluginConfig, main: PluginSchema, tables: _Tables, schema: PluginSchema, path: str
    ) -> Findings:
        """Yield the findings about `ipam` that may have mistakes."""
        values = Decoded()
        foreign = ForeignKeys(self.checks.schemas.values(), schema, inside_ipam=True)
        decoder = Decoder(schema.type, IPAM_ENVELOPE, self.budget, misplaced={}, foreign=foreign)
        yield from decoder.decode(plugin.conf["ipam"], tables.shape, path, values)
        yield from self._read_ipam(main, tables, self._placed(plugin, schema, values, path))

    def _read_ipam(self, main: PluginSchema, tables: _Tables, placed: Placed) -> Findings:
        """Return the findings about `ipam` whose keys have been read."""
        found = tables.findings(placed)
        if self.network.cni_version not in placed.schema.cni_versions:
            found.extend(chaining.version_findings(placed))
        if placed.values.get("routes"):
            found.extend(route_findings(placed, main))
        return found

    def _decode(
        self, plugin: PluginConfig, schema: PluginSchema, tables: _Tables, values: Decoded, path: str
    ) -> Findings:
        """Read the object of a plugin with care into `values`."""
        is_closed = not schema.opaque and not tables.known.issuperset(plugin.conf)
        ipam = self.checks.ipam_of(schema, plugin.ipam_type)
        misplaced = self._misplaced(ipam) if is_closed and schema.ipam != "unused" else {}
        foreign = ForeignKeys(self.checks.schemas.values(), schema, inside_ipam=False) if is_closed else None
        decoder = Decoder(schema.type, ENVELOPE, self.budget, misplaced=misplaced, foreign=foreign)
        return decoder.decode(plugin.conf, tables.shape, path, values)

    def _placed(self, plugin: PluginConfig, schema: PluginSchema, values: Decoded, path: str) -> Placed:
        # By position: keywords cost as much as the rest.
        return Placed(
            schema,
            values,
            path,
            self.earlier,
            plugin.capabilities,
            self.network,
            reaching_arguments(plugin, self.checks.attached_by),
            self.has_addresses,
        )

    def _misplaced(self, ipam: PluginSchema | None) -> Mapping[str, str]:
        """Return the keys that belong into `ipam`, each with the IPAM plugin that reads it.

        Without `ipam`, a key that other plugins of networks read as well is likely copied from one of them, such as
        `mode`, unless it is a key of an IPAM plugin that people use most.
        """
        if ipam:
            return dict.fromkeys(ipam.keys, ipam.type)
        schemas = self.checks.schemas.values()
        elsewhere = QUIET.union(*(schema.keys for schema in schemas if schema.kind != "ipam"))
        return {
            key: schema.type
            for schema in schemas
            if schema.kind == "ipam"
            for key in schema.keys
            if key not in elsewhere or (schema.type in WELL_KNOWN and key not in QUIET)
        }
