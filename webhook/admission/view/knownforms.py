"""Configurations like one about which there was nothing to say, so that most definitions need no further look.

Theory of operation. Programs write most definitions of a cluster, so these differ in names, devices, VLANs and
addresses, and in little else:

    configuration  --a mark in the place of each free value-->  form

A value is free if it is the network's name, or a text or a number of a plugin about which the checks ask only that it
has the type, the format and the limits of its key, that it is not empty, that the conditions of its plugin do not name
it, and what the rules of `registry.OF_VALUES` say. All the rest of a configuration is in its form as it is written. So
when there was nothing to say about one configuration of a form, all that there can be to say about another one is about
the formats and limits of its free values, and by those rules: `Outline.is_silent` asks them. A configuration in which
more is unusual has no form, and is checked with care.

Checks of the whole network read some keys of its plugins as well (`READ_ELSEWHERE`), and so does the form: a plugin
whose schema has one of these keys, so that it could be free, has no form.

A form also depends on the settings of the checks, which have it, and on the facts that are in its key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from functools import partial
from typing import Any, NamedTuple

from cniplugin.netspec.names import is_network_name
from cniplugin.netspec.versions import choose_version
from webhook.admission.plugins.decoding import (
    IPAM_ENVELOPE,
    MARK,
    Budget,
    Decoded,
    Layout,
    Shape,
    fill,
    mark,
    shape_of,
)
from webhook.admission.plugins.engine import ENVELOPE
from webhook.admission.plugins.findings import Findings
from webhook.admission.plugins.placement import Network, Placed
from webhook.admission.plugins.routegateways import route_findings
from webhook.admission.plugins.rules.registry import ABOUT, OF_VALUES, RULES, Rule
from webhook.admission.plugins.schema import PluginChecks, PluginSchema

Conf = Mapping[str, Any]

READ_ELSEWHERE = (ENVELOPE | {"delegate", "delegates"}) - {
    *("args", "dns"),  # their types alone are checked
    *("deviceID", "pciBusID", "cni.dev/valid-attachments"),
}
"""Keys whose values are read by `cniplugin.netspec.cniconfig`, by `unsafe` and by the engine. Only schemas of admins
have them."""

FORMS_MAX, FORM_LENGTH_MAX = 1024, 4096
"""Forms that are kept, and the characters of one: 8 MiB at most (measured). A usual one has 300."""


class _Part(NamedTuple):
    """What a form needs of a plugin: its keys, and its rules, each with the keys without which it is silent."""

    shape: Shape
    rules: tuple[tuple[frozenset[str], Rule], ...]


class _Object(NamedTuple):
    """One object of a configuration; see `Outline._add`."""

    schema: PluginSchema
    part: _Part
    layout: Layout
    conf: Conf
    plugin: Conf
    main: PluginSchema | None


class KnownForms:
    """The forms of configurations about which there was nothing to say, for one `PluginChecks`."""

    def __init__(self, checks: PluginChecks) -> None:
        self._checks = checks
        self._parts: dict[int, _Part | None] = {}
        self._known: dict[Hashable, None] = {}

    def __contains__(self, form: Hashable) -> bool:
        return form in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, form: Hashable) -> None:
        """Note that there was nothing to say about a configuration of this form."""
        if len(self._known) >= FORMS_MAX:
            self._known.clear()
        self._known[form] = None

    def outline(
        self, conf: object, name: str, *, has_device: bool, meta_plugin_types: Collection[str]
    ) -> Outline | None:
        """Return the outline of a configuration that `cniconfig.read` has returned, for a definition of this name.

        None if it has no form. `has_device`: a resource name or a claim gives a device. `meta_plugin_types`: those of
        the settings.
        """
        if not isinstance(conf, dict):
            return None
        written, listed = conf.get("name"), conf.get("plugins")
        if not isinstance(written or "", str) or not is_network_name(written or name):
            return None
        outline = Outline(self._part_of, self._checks, choose_version(conf))
        marked: dict[str, Any] | None = None
        if "plugins" not in conf:
            marked = outline.add(conf)
        elif isinstance(listed, list):
            plugins = [outline.add(plugin) for plugin in listed]
            marked = None if None in plugins else {**conf, "plugins": plugins}
        if marked is None:
            return None
        if written:
            marked["name"] = MARK
        text = repr(marked)  # in C, and one object to keep
        if len(text) > FORM_LENGTH_MAX:
            return None
        outline.form = (text, has_device, frozenset(meta_plugin_types))
        return outline

    def _part_of(self, schema: PluginSchema) -> _Part | None:
        """Return what a form needs of a plugin; None for one whose findings depend on more."""
        key = id(schema)  # NB: `checks` keeps it alive
        if key not in self._parts:
            self._parts[key] = _part(schema, self._checks)
        return self._parts[key]


def _part(schema: PluginSchema, checks: PluginChecks) -> _Part | None:
    if schema.opaque or schema.agree_on or schema.once_with or not OF_VALUES.issuperset(schema.rules):
        return None
    if not READ_ELSEWHERE.isdisjoint(schema.keys):
        return None
    return _Part(shape_of(schema, checks), tuple((ABOUT.get(rule, frozenset()), RULES[rule]) for rule in schema.rules))


class Outline:
    """The form of one configuration, and its objects. Made by `KnownForms.outline`."""

    def __init__(self, part_of: Callable[[PluginSchema], _Part | None], checks: PluginChecks, cni_version: str) -> None:
        self.form: Hashable = None
        self._part_of = part_of
        self._checks = checks
        self._network = Network(cni_version=cni_version)
        self._objects: list[_Object] = []

    def add(self, conf: object) -> dict[str, Any] | None:
        """Add the object of a plugin, and return it with marks; None if it has no form."""
        kind = conf.get("type") if isinstance(conf, dict) else None
        schema = self._checks.schemas.get(kind) if isinstance(kind, str) else None
        if not isinstance(conf, dict) or schema is None or schema.kind == "ipam" or kind in self._checks.exempt:
            return None
        marked = self._add(conf, schema, ENVELOPE, conf)
        ipam = conf.get("ipam")
        if marked is None or not ipam:
            return marked
        kind = ipam.get("type") if isinstance(ipam, dict) else None
        inner = self._checks.ipam_of(schema, kind) if isinstance(kind, str) else None
        read = None if inner is None else self._add(ipam, inner, IPAM_ENVELOPE, conf, schema)
        if read is None:
            return None
        marked["ipam"] = read
        return marked

    def _add(
        self,
        conf: Conf,
        schema: PluginSchema,
        envelope: frozenset[str],
        plugin: Conf,
        main: PluginSchema | None = None,
    ) -> dict[str, Any] | None:
        """Add one object. `plugin`: the plugin that it is or belongs to. `main`: its schema, if this is its `ipam`."""
        part = self._part_of(schema)
        layout = None if part is None else part.shape.layout_of(conf, envelope)
        if part is None or layout is None:
            return None
        self._objects.append(_Object(schema, part, layout, conf, plugin, main))
        return mark(layout, conf)

    def is_silent(self) -> bool:
        """Say whether nothing is to be said about the free values, when nothing was about another one of the form."""
        budget = Budget(self._checks.values_max)
        for one in self._objects:
            values = fill(one.layout, one.conf, budget)
            if not isinstance(values, Decoded) or budget.values < 0:
                return False
            rules = [rule for keys, rule in one.part.rules if not keys or not keys.isdisjoint(values)]
            if one.main is not None and values.get("routes"):
                rules.append(partial(route_findings, main=one.main))
            if rules:
                placed = Placed(one.schema, values, "", {}, _declared(one.plugin), self._network)
                for rule in rules:
                    if _speaks(rule(placed)):
                        return False
        return True


def _declared(plugin: Conf) -> frozenset[str]:
    """Return the capabilities of a plugin that are true."""
    written = plugin.get("capabilities")
    return frozenset([name for name, flag in written.items() if flag]) if isinstance(written, dict) else frozenset()


def _speaks(findings: Findings) -> bool:
    """Say whether there is a finding."""
    for _ in findings:
        return True
    return False


def known_forms(checks: PluginChecks) -> KnownForms:
    """Return the forms for these checks, which keep them."""
    key = ("forms", 0)
    known: KnownForms | None = checks.prepared.get(key)
    if known is None:
        known = checks.prepared[key] = KnownForms(checks)
    return known
