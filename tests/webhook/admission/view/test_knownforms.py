"""Configurations of one form: there is something to say about all of them, or about none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cniplugin.access.content.unsafeconfig import unsafe
from cniplugin.access.model.decision import Config
from cniplugin.netspec import cniconfig, jsontext
from cniplugin.netspec.errors import SpecErrors
from tests.webhook.admission.plugins.checking import CHECKS, ORIGIN, SCHEMAS
from tests.webhook.admission.plugins.test_cases import CASES
from tests.webhook.admission.world import decide, definition
from webhook.admission.checks.definitions import COMPARED_COMMAS_MAX
from webhook.admission.model.requests import Decision
from webhook.admission.plugins.decoding import LAYOUTS_MAX, Budget, Shape
from webhook.admission.plugins.engine import ENVELOPE, check_plugins
from webhook.admission.plugins.placement import Network, Placed
from webhook.admission.plugins.rules.registry import OF_VALUES, RULES
from webhook.admission.plugins.schema import Constraint, Key, PluginChecks, PluginSchema
from webhook.admission.view.knownforms import FORM_LENGTH_MAX, FORMS_MAX, KnownForms

META_TYPES = Config().meta_plugin_types
CONFIGS = [case["config"] for kind in CASES for case in CASES[kind] if isinstance(case["config"], dict)]
RESOURCE = {"k8s.v1.cni.cncf.io/resourceName": "example.com/vf"}
STRANGE: tuple[Any, ...] = (
    *("", "a", "a/b", "a b", "x" * 20, "x" * 200, "..", "0", "usePodCidr", "9" * 30, "a,b", "name", "\u00e9"),
    *(
        "10.0.0.1/24",
        "10.0.0.0/24",
        "10.0.0.0/31",
        "10.1.0.5",
        "fd00::/64",
        "fd00::1",
        "300.1.1.1/8",
        "02:00:00:00:00:01",
    ),
    *(
        0,
        1,
        -1,
        2,
        67,
        4094,
        4095,
        2**31,
        2**63,
        2**64,
        10**40,
        1.5,
        True,
        False,
        None,
        [],
        {},
        [None],
        ["a"],
        {"a": "b"},
    ),
)
"""In the place of any value."""

Path = tuple[Any, ...]


def form_of(config: object, forms: KnownForms, *, has_device: bool = False) -> object:
    """Return the form of a configuration about whose free values there is nothing to say, by its outline."""
    outline = forms.outline(config, ORIGIN.name, has_device=has_device, meta_plugin_types=META_TYPES)
    return outline.form if outline is not None and outline.is_silent() else None


def is_right(config: dict[str, Any], *, has_device: bool = False) -> bool:
    """Say whether there is nothing to say about a configuration, by the checks that know no forms."""
    try:
        read = cniconfig.parse(json.dumps(config), name=ORIGIN.name)
    except SpecErrors:
        return False
    if unsafe(read, meta_plugin_types=META_TYPES):
        return False
    return not check_plugins(read, RESOURCE if has_device else {}, CHECKS, origin=ORIGIN)


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value below `value`."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from places(member, (*path, key))


def value_at(config: Any, path: Path) -> Any:
    for step in path:
        config = config[step]
    return config


def changed(config: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(config))
    value_at(copy, path[:-1])[path[-1]] = value
    return copy


def values_by_key() -> dict[Any, list[Any]]:
    """Return the values that the cases have for each key, right and wrong ones."""
    found: dict[Any, list[Any]] = {}
    for config in CONFIGS:
        for path in places(config):
            value = value_at(config, path)
            if value not in found.setdefault(path[-1], []):
                found[path[-1]].append(value)
    return found


@pytest.mark.parametrize("has_device", [False, True])
def test_configurations_of_one_form_are_all_right_or_all_wrong(has_device: bool) -> None:  # noqa: FBT001
    """Each value of each case is replaced by strange ones, and by all that other cases have for its key."""
    forms, others = KnownForms(CHECKS), values_by_key()
    compared = 0
    for config in CONFIGS:
        form = form_of(config, forms, has_device=has_device)
        if form is None or not is_right(config, has_device=has_device):
            continue
        for path in places(config):
            for value in (*STRANGE, *others.get(path[-1], ())):
                variant = changed(config, path, value)
                if form_of(variant, forms, has_device=has_device) == form:
                    compared += 1
                    assert is_right(variant, has_device=has_device), variant
    assert compared > 1000


USUAL = [
    {"type": "macvlan", "master": "eth1", "mode": "bridge", "ipam": {"type": "whereabouts", "range": "10.1.0.0/24"}},
    {"type": "macvlan", "master": "eth1", "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}},
    {"type": "bridge", "capabilities": {"ips": True}, "ipam": {"type": "static"}},
    {"type": "ipvlan", "master": "eth1", "mode": "l2", "ipam": {"type": "dhcp"}},
    {"type": "vlan", "master": "eth1", "vlanId": 100, "mtu": 1500},
    {"type": "host-device", "device": "eth1"},
    {"type": "sriov", "vlan": 100, "spoofchk": "off", "ipam": {}},
    {"type": "bridge", "bridge": "br1", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}},
]


@pytest.mark.parametrize("plugin", USUAL, ids=lambda plugin: str(plugin["type"]))
def test_usual_networks_have_a_form(plugin: dict[str, Any]) -> None:
    forms = KnownForms(CHECKS)
    assert form_of({"cniVersion": "1.0.0", "name": "net", **plugin}, forms)
    assert form_of({"cniVersion": "1.0.0", "name": "net", "plugins": [plugin]}, forms)


NETWORK = {
    "cniVersion": "1.0.0",
    "name": "net",
    "plugins": [
        {"type": "bridge", "bridge": "br-1", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}},
        {"type": "tuning", "sysctl": {"net.ipv4.conf.all.log_martians": "1"}},
    ],
}
"""A usual network. NB: a free value is one that a check could refuse."""
BRIDGE, SUBNET = ("plugins", 0, "bridge"), ("plugins", 0, "ipam", "ranges", 0, 0, "subnet")


@pytest.mark.parametrize(("path", "value"), [(BRIDGE, "br-2"), (SUBNET, "10.2.0.0/16"), (SUBNET, "fd00::/64")])
def test_free_values_do_not_change_the_form(path: Path, value: object) -> None:
    forms = KnownForms(CHECKS)
    assert form_of(changed(NETWORK, path, value), forms) == form_of(NETWORK, forms) is not None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (BRIDGE, True),  # what a mark looks like
        (BRIDGE, ""),
        (BRIDGE, "a/b"),
        (SUBNET, "10.1.0.1/24"),
        (SUBNET, None),
        (("name",), "a b"),
        (("name",), True),
        (("plugins", 0, "type"), "nobody-knows"),
        (("plugins",), []),
        (("plugins",), {}),
    ],
)
def test_anything_else_does(path: Path, value: object) -> None:
    forms = KnownForms(CHECKS)
    assert form_of(changed(NETWORK, path, value), forms) != form_of(NETWORK, forms)


@pytest.mark.parametrize("config", [None, [], "text", 1, {}, {"plugins": [None]}, {"type": None}, {"plugins": [{}]}])
def test_what_is_no_network_has_no_form(config: object) -> None:
    assert form_of(config, KnownForms(CHECKS)) is None


def test_the_facts_around_a_configuration_are_in_its_form() -> None:
    forms = KnownForms(CHECKS)
    assert form_of(NETWORK, forms) != form_of(NETWORK, forms, has_device=True)
    other = forms.outline(NETWORK, ORIGIN.name, has_device=False, meta_plugin_types=("bridge",))
    assert other is not None
    assert other.form != form_of(NETWORK, forms)
    unnamed = {key: value for key, value in NETWORK.items() if key != "name"}
    assert forms.outline(unnamed, "-", has_device=False, meta_plugin_types=META_TYPES) is None


def test_the_forms_are_bounded() -> None:
    forms = KnownForms(CHECKS)
    for number in range(FORMS_MAX + 2):
        forms.add(number)
    assert len(forms) <= FORMS_MAX
    long = changed(NETWORK, ("plugins", 1, "sysctl"), {f"net.ipv4.conf.a{at}.arp_ignore": "1" for at in range(200)})
    assert is_right(long)
    assert len(repr(long)) > FORM_LENGTH_MAX
    assert form_of(long, forms) is None


def test_the_layouts_are_bounded() -> None:
    shape = Shape({})
    for number in range(LAYOUTS_MAX + 2):
        shape.mark({f"key-{number}": 1})
    assert len(Shape.layouts) <= LAYOUTS_MAX
    before = len(Shape.layouts)
    shape.mark({"k" * 10_000: 1})
    shape.mark({f"{number}": 1 for number in range(100)})
    assert len(Shape.layouts) == before


class _Values(Placed):
    """A plugin of which a rule may read the values, their place, the capabilities and the CNI version."""

    def __getattribute__(self, name: str) -> Any:
        assert name not in {"earlier", "has_addresses"}, f"a rule of OF_VALUES reads {name}"
        return super().__getattribute__(name)


class _Version(Network):
    def __getattribute__(self, name: str) -> Any:
        assert name not in {"name", "size", "has_resource", "origin"}, f"a rule of OF_VALUES reads {name}"
        return super().__getattribute__(name)


def objects() -> Iterator[dict[str, Any]]:
    """Yield the plugins and the `ipam` objects of all cases."""
    for config in CONFIGS:
        for plugin in config.get("plugins", [config]):
            yield from (one for one in (plugin, plugin.get("ipam")) if isinstance(one, dict))


def test_rules_of_values_read_nothing_else() -> None:
    ran = set()
    for conf in objects():
        schema = SCHEMAS.get(conf.get("type", ""))
        if schema is None:
            continue
        values = Shape(schema.keys).read(conf, Budget(1000), skipped=ENVELOPE)
        if values is None:
            continue
        for rule in OF_VALUES.intersection(schema.rules):
            ran.add(rule)
            list(RULES[rule](_Values(schema, values, "", {}, frozenset(), _Version(cni_version="1.0.0"))))
    assert ran == OF_VALUES


def check(config: dict[str, Any] | str, checks: PluginChecks) -> Decision:
    """Return the decision about a definition."""
    asked = definition(config if isinstance(config, str) else json.dumps(config), name="net")
    return decide(asked, plugins=checks)


@pytest.mark.plain
def test_a_definition_of_a_known_form_is_not_read_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    checks, build = PluginChecks(schemas=SCHEMAS), cniconfig.build
    built: list[dict[str, Any]] = []

    def count(value: Any, *, name: str) -> cniconfig.NetworkConfigList:
        built.append(value)
        return build(value, name=name)

    monkeypatch.setattr(cniconfig, "build", count)
    for number in range(3):
        assert check(changed(NETWORK, BRIDGE, f"known-{number}"), checks).is_allowed
    assert sum("plugins" in value for value in built) == 1
    wrong = check(changed(NETWORK, SUBNET, "10.1.0.1/24"), checks)
    assert [cause.field for cause in wrong.causes] == ["spec.config.plugins[0].ipam.ranges[0][0].subnet"]


def test_the_warning_about_another_name_is_given_for_a_known_form() -> None:
    checks = PluginChecks(schemas=SCHEMAS)
    first, second = (check({**NETWORK, "name": name}, checks) for name in ("one", "other"))
    assert [str(one.warnings[0]).replace("one", "other") for one in (first, second)] == [str(second.warnings[0])] * 2
    assert not check(NETWORK, checks).warnings
    (cause,) = check({**changed(NETWORK, SUBNET, "10.1.0.1/24"), "name": "third"}, checks).causes
    assert cause.field.endswith("subnet")


def test_a_repeated_key_is_found_in_a_known_form() -> None:
    checks = PluginChecks(schemas=SCHEMAS)
    text = json.dumps(NETWORK)
    assert check(text, checks).is_allowed
    assert not check(text.replace('"bridge": "br-1"', '"bridge": "br-1", "bridge": "br-2"'), checks).is_allowed


@pytest.mark.plain
@pytest.mark.parametrize("text", ['{"type":"macvlan"', "[" * 100, '{"type":"a","type":"b"}', '{"type":1e999}'])
def test_what_is_no_json_is_read_once(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    read: list[str] = []
    parse = jsontext.parse

    def count(text: str, **more: Any) -> object:
        read.append(text)
        return parse(text, **more)

    without = decide(definition(text, name="net"))
    monkeypatch.setattr(jsontext, "parse", count)
    monkeypatch.setattr(cniconfig, "parse_json", count)
    assert check(text, PluginChecks(schemas=SCHEMAS)).message == without.message
    assert read.count(text) == 1  # others are the networks of the cluster


@pytest.mark.plain
def test_a_text_with_many_items_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = PluginChecks(schemas=SCHEMAS)
    monkeypatch.setattr(KnownForms, "outline", None)
    trunk = [{"id": number} for number in range(1, COMPARED_COMMAS_MAX + 2)]
    assert check({"cniVersion": "1.0.0", "type": "bridge", "bridge": "b", "vlanTrunk": trunk}, checks).is_allowed


PTP = {"cniVersion": "1.0.0", "type": "ptp", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}


@pytest.mark.parametrize("item", [5, True, ["a"], {"a": "b"}, 1.5])
def test_an_item_of_another_type_is_refused_as_without_forms(item: object) -> None:
    """`dns` is a key of ptp, and of every plugin: two checks know the type of its items."""
    known = PluginChecks(schemas=SCHEMAS)
    assert check({**PTP, "dns": {"nameservers": ["10.1.0.1"]}}, known).is_allowed
    wrong = {**PTP, "dns": {"nameservers": [item]}}
    decision = check(wrong, known)
    assert not decision.is_allowed
    assert decision.message == check(wrong, PluginChecks(schemas=SCHEMAS)).message


def test_keys_of_a_schema_that_other_checks_read_are_not_free() -> None:
    """An admin may write any key into a schema, as those that libcni reads, or delegates."""
    text, nested = Key(type="string"), Key(type="object", keys={"type": Key(type="string")})
    keys = {"dev": text, "type": text, "cniVersion": text, "name": text, "delegate": nested}
    keys["delegates"] = Key(type="array", items=nested)
    own = PluginSchema(type="own", kind="main", source="here", keys=keys, constraints=(NAMED,))
    strict = replace(own, type="strict", ipam="required", constraints=())
    checks = PluginChecks(schemas={**SCHEMAS, "own": own, "strict": strict})
    right: dict[str, Any] = {"cniVersion": "1.0.0", "name": "net", "type": "own", "delegate": {"type": "bridge"}}
    right["delegates"] = [{"type": "bridge"}]
    assert check(right, checks).is_allowed
    for key, value in (
        ("type", "strict"),
        ("cniVersion", "x/y"),
        ("delegate", {"type": "multus"}),
        ("delegates", [{"type": "multus"}]),
    ):
        assert not check({**right, key: value}, checks).is_allowed, key
    named = definition(json.dumps({**right, "name": "other"}), name="other")
    assert not decide(named, plugins=checks).is_allowed


NAMED = Constraint(code="NAD202", when={"name": ("other",)}, detail="not this name")
