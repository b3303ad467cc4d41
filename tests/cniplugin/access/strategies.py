"""Generators of policies, pods, networks and requests, from few words, so that rules, pods and networks often match."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from cniplugin.access.compile import Policies, compile_rules, read_policies
from cniplugin.access.model.decision import Config, Item, MultusGate, Rules, Subject
from cniplugin.access.model.limits import SPELLINGS
from cniplugin.access.model.policyrules import POLICY_KIND
from cniplugin.access.reading.consent import ALLOWED_NAMESPACES, ALLOWED_SELECTOR
from cniplugin.netspec import netattachdef
from cniplugin.netspec.netattachdef import NetworkAttachmentDefinition
from cniplugin.netspec.selection import Bandwidth, NetworkSelectionElement, PortMapping

NAMESPACES = {
    "blue": {"tenant": "blue", "env": "prod"},
    "green": {"tenant": "green"},
    "infra": {"tier": "infra"},
    "default": {},
}
NAMES = ("lan-qa", "san-qb", "raw-qc", "odd-qd")
"""Names that are not part of another word of a message."""

CONTENTS: dict[str, str | None] = {
    "macvlan": '{"cniVersion":"1.0.0","type":"macvlan","master":"bond1"}',
    "vlan": '{"cniVersion":"1.0.0","type":"bridge","bridge":"br0","vlan":100}',
    "device": '{"cniVersion":"1.0.0","type":"host-device","device":"eth3"}',
    "default interface": '{"cniVersion":"1.0.0","plugins":[{"type":"ipvlan"},{"type":"tuning","vlan":"x"}]}',
    "disk": None,
    "broken": "{",
    "unsafe": '{"cniVersion":"1.0.0","type":"multus"}',
}

_namespace = st.sampled_from(sorted(NAMESPACES))
_namespace_pattern = st.one_of(_namespace, st.sampled_from(["b*", "gr*", "*"]))
_name_pattern = st.sampled_from([*NAMES, "lan*", "*"])


def _some(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, min_size=1, max_size=most, unique_by=repr)


_selector = st.sampled_from(
    [
        {},
        {"matchLabels": {"tenant": "blue"}},
        {"matchExpressions": [{"key": "tenant", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]},
    ]
)
_pod_selector = st.sampled_from([{"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "db"}}])
_network_selector = st.sampled_from([{"matchLabels": {"class": "storage"}}, {}])


def _entry(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


pod_entries = _entry(
    namespaces=_some(_namespace_pattern),
    namespaceSelector=_selector,
    podSelector=_pod_selector,
    serviceAccounts=_some(st.sampled_from(["default", "router"])),
).filter(bool)

_OWN = ("namespaces", "OwnNamespace")
network_entries = _entry(
    scope=st.sampled_from(["Any", "OwnNamespace", "OtherNamespace"]),
    namespaces=_some(_namespace_pattern),
    names=_some(_name_pattern),
    selector=_network_selector,
    pluginTypes=_some(st.sampled_from(["macvlan", "host-device", "br*", "*"])),
    masters=_some(st.sampled_from(["bond1", "br0", "eth*", "*"])),
    vlans=_some(st.sampled_from(["100", "1-99", "1-4094"])),
    onDisk=st.booleans(),
).map(lambda entry: {key: value for key, value in entry.items() if (key, entry.get("scope")) != _OWN})

_empty: st.SearchStrategy[dict[str, Any]] = st.just({})
limits = _entry(
    default=st.sampled_from(["Basic", "Deny", "Allow"]),
    ips=_entry(cidrs=_some(st.sampled_from(["10.1.0.0/16", "2001:db8::/64"])), max=st.integers(1, 2)),
    mac=_entry(prefixes=st.just(["00:58"])),
    infinibandGuid=_empty,
    bandwidth=_entry(maxIngressBitsPerSecond=st.just(1000), required=st.booleans()),
    portMappings=_entry(hostPorts=st.just(["8000-8999"]), protocols=st.just(["TCP"])),
    defaultRoute=_entry(gateways=st.just(["10.1.0.1/32"])),
    cniArgs=_entry(keys=st.just(["mac"])),
    interface=_entry(names=st.just(["net*"])),
    ipamClaim=_empty,
    deviceID=_empty,
    extraKeys=_entry(keys=st.just(["example.com/a"])),
    replaceDefaultNetwork=_empty,
)
_rule_name = st.sampled_from(["r1", "r2", "r3"])
allow_rules = st.fixed_dictionaries(
    {"name": _rule_name, "action": st.just("Allow")},
    optional={
        "networks": _some(network_entries),
        "limits": limits,
        "requireConsent": st.booleans(),
        "message": st.just("words of the rule"),
    },
)
deny_rules = st.fixed_dictionaries(
    {"name": _rule_name, "action": st.just("Deny")},
    optional={
        "networks": _some(network_entries),
        "onRequests": _some(st.sampled_from(sorted(SPELLINGS)), 3),
        "message": st.just("words of the rule"),
    },
)


any_rules = st.one_of(allow_rules, deny_rules)


def policies(
    name: st.SearchStrategy[str], rules: st.SearchStrategy[Any] = any_rules, *, most: int = 3
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a generator of policies as API objects."""
    spec = st.fixed_dictionaries(
        {"attachments": st.lists(rules, min_size=1, max_size=most, unique_by=lambda rule: str(rule["name"]))},
        optional={
            "mode": st.sampled_from(["Enforce", "Warn", "Audit"]),
            "contact": st.just("storage-team@example.com"),
            "pods": _some(pod_entries),
            "exceptPods": _some(pod_entries),
        },
    )
    return st.builds(lambda called, made: {"kind": POLICY_KIND, "metadata": {"name": called}, "spec": made}, name, spec)


policy_sets = st.lists(
    policies(st.sampled_from(["p1", "p2", "p3", "p4"])),
    max_size=4,
    unique_by=lambda policy: str(policy["metadata"]["name"]),
)

configs = st.builds(
    Config,
    posture=st.sampled_from(["Open", "Isolated", "Consent", "Strict"]),
    global_namespaces=st.sampled_from([("default",), ("default", "infra"), ()]),
    multus_gate=st.sampled_from([None, None, MultusGate(namespace_isolation=True)]),
    contact=st.sampled_from(["", "#net-team"]),
)

subjects = st.builds(
    lambda namespace, labels, account: Subject(
        namespace=namespace,
        namespace_labels={"kubernetes.io/metadata.name": namespace, **NAMESPACES[namespace]},
        labels=labels,
        service_account=account,
    ),
    _namespace,
    st.sampled_from([{}, {"app": "web"}, {"app": "db"}]),
    st.sampled_from(["default", "router"]),
)

_consent = st.sampled_from(
    [{}, {}, {ALLOWED_NAMESPACES: "blue, infra"}, {ALLOWED_NAMESPACES: "*"}, {ALLOWED_SELECTOR: "tenant=green"}]
)


def networks(namespace: str, name: str) -> st.SearchStrategy[NetworkAttachmentDefinition]:
    """Return a generator of definitions of that name."""
    return st.builds(
        lambda content, labels, annotations: netattachdef.build(
            namespace=namespace, name=name, config=CONTENTS[content], labels=labels, annotations=annotations
        ),
        st.sampled_from(sorted(CONTENTS)),
        st.sampled_from([{}, {"class": "storage"}]),
        _consent,
    )


worlds = st.sets(st.tuples(_namespace, st.sampled_from(NAMES)), max_size=8).flatmap(
    lambda keys: st.fixed_dictionaries({key: networks(*key) for key in sorted(keys)})
)

_requests: dict[str, st.SearchStrategy[Any]] = {
    "ips": st.sampled_from([("10.1.0.7/16",), ("10.9.0.7/16", "10.1.0.7/16"), ("::ffff:10.1.0.7",)]),
    "mac": st.sampled_from(["00:58:00:00:00:01", "02:00:00:00:00:01"]),
    "interface": st.sampled_from(["net7", "wan0"]),
    "cni_args": st.sampled_from([{"mac": "02:00:00:00:00:01"}, {"sysctl": {"a": 1}}, {"IPS": ["10.9.0.1"]}]),
    "bandwidth": st.sampled_from([Bandwidth(ingress_rate=10, ingress_burst=10), Bandwidth(ingress_rate=10_000)]),
    "port_mappings": st.just((PortMapping(host_port=80, container_port=80),)),
    "default_route": st.sampled_from([(), ("10.1.0.1",), ("10.9.0.1",)]),
    "device_id": st.just("0000:03:02.1"),
    "foreign": st.sampled_from([{"example.com/a": 1}, {"example.com/b": 1}]),
}


def elements() -> st.SearchStrategy[NetworkSelectionElement]:
    """Return a generator of the requests of a pod."""
    asked = st.one_of(st.just({}), st.fixed_dictionaries({}, optional=_requests))
    return st.builds(
        lambda namespace, name, more: NetworkSelectionElement(namespace=namespace, name=name, **more),
        _namespace,
        st.sampled_from(NAMES),
        asked,
    )


@st.composite
def items(draw: st.DrawFn) -> Item:
    """Draw a network that a pod asks for; it may exist."""
    element = draw(elements())
    network = draw(st.one_of(st.none(), networks(element.namespace, element.name)))
    return Item(
        element=element,
        network=network,
        network_labels={},
        replaces_default=draw(st.sampled_from([False, False, True])),
    )


def read(objects: list[dict[str, Any]]) -> Policies:
    """Return policies, and check that these generators make them without problems."""
    found = read_policies(objects)
    assert [policy.problems for policy in found.policies if policy.problems] == []
    return found


def rules(objects: list[dict[str, Any]], config: Config) -> Rules:
    return compile_rules(read(objects), config)


# Broken on purpose

WRONG: tuple[Any, ...] = ("", "?!", 7, -1, 1.5, True, [], ["?!"], [7], [[]], {}, {"?": "!"}, "x" * 600)


def _places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the paths of all values inside a value."""
    members: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    for key, member in members:
        yield (*at, key)
        yield from _places(member, (*at, key))


@st.composite
def broken(draw: st.DrawFn, thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy in which values have a wrong JSON type, or keys have wrong names."""
    made: dict[str, Any] = copy.deepcopy(dict(thing))
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(made))
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        holder: Any = made
        for step in way:
            holder = holder[step]
        # Any key of matchLabels can be read: another key makes another rule.
        if isinstance(last, str) and way[-1:] != ["matchLabels"] and draw(st.booleans()):
            holder[f"{last}x"] = holder.pop(last)
        else:
            kind = type(holder[last])
            wrong = draw(st.sampled_from([wrong for wrong in WRONG if type(wrong) is not kind]))
            holder[last] = copy.deepcopy(wrong)
    return made
