"""The schema of the CRDs as tests use it: its verdict about a value, and values at its edges.

A probe is one place of the schema with one value, in an object that is otherwise right. So each verdict has one reason,
and the verdicts of this module, of our own readers, and of a real API server must be equal.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import yaml

from cniplugin.access.model.contentfields import MAY_BE_EMPTY
from tests.paths import MANIFESTS

CRDS = MANIFESTS / "crds"
Schema = dict[str, Any]
Object = dict[str, Any]

API_VERSION = "access.nadmit.io/v1alpha1"
POLICY, CONFIG = "NetworkAttachmentPolicy", "NetworkAttachmentPolicyConfig"


@cache
def load() -> dict[str, Object]:
    """Return the CRDs by kind."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("networkattachmentpolic*.yaml"))]
    return {crd["spec"]["names"]["kind"]: crd for crd in found}


def schema_of(kind: str) -> Schema:
    """Return the schema of a kind's objects."""
    (version,) = load()[kind]["spec"]["versions"]
    return dict(version["schema"]["openAPIV3Schema"])


class Probe(NamedTuple):
    """A value at a path below `spec`; `[]` is the first item of a list, `{}` a key of a map."""

    kind: str
    path: str
    what: str
    value: Any
    is_right: bool

    @property
    def id(self) -> str:
        return f"{self.kind.removeprefix('NetworkAttachment')}-{self.path}-{self.what}"

    @property
    def field(self) -> str:
        """The place as a message names it."""
        return f"spec.{self.path}".removesuffix(".").replace("[]", "[0]").replace(".{}", "[key]")


RULE = {"name": "rule", "action": "Allow"}
STANDING_BY: dict[str, Any] = {
    "attachments[]": RULE,
    "definitions[]": RULE,
    "matchExpressions[]": {"key": "a", "operator": "Exists"},
    "authors": {"users": ["others"], "groups": ["others"]},
    "exceptAuthors": {"users": ["others"], "groups": ["others"]},
    "writers": {"users": ["others"], "groups": ["others"]},
    "multusGate": {"namespaceIsolation": True},
}
"""The keys beside a probe that make the object right."""


def put(probe: Probe) -> Object:
    """Return the object of a probe."""
    name = "cluster" if probe.kind == CONFIG else "probe"
    if not probe.path:
        spec = probe.value
    else:
        spec = {} if probe.kind == CONFIG else {"attachments": [dict(RULE)]}
        _put(spec, probe.path.split("."), probe.value)
        _settle(probe, spec)
    return {"apiVersion": API_VERSION, "kind": probe.kind, "metadata": {"name": name}, "spec": spec}


def _put(holder: Object, steps: list[str], value: Any) -> None:
    step, *rest = steps
    is_item = step.endswith("[]")
    key = {"{}": "key"}.get(step, step.removesuffix("[]"))
    if rest:
        inner = copy.deepcopy(STANDING_BY.get(step, {}))
        _put(inner, rest, value)
        value = inner
    holder[key] = [value] if is_item else value


def _settle(probe: Probe, spec: Object) -> None:
    """Complete the keys that belong together."""
    if "onRequests" in probe.path and isinstance(spec["attachments"][0], dict):
        spec["attachments"][0]["action"] = "Deny"
    _settle_operators(spec)
    if probe.path == "attachments" and not probe.value:
        spec["definitions"] = [dict(RULE)]


def _settle_operators(value: Any) -> None:
    """Give In and NotIn their values, and values their In."""
    if isinstance(value, dict):
        if value.get("operator") == "Exists" and value.get("values", []) != []:
            value["operator"] = "In"
        if value.get("operator") in ("In", "NotIn"):
            value.setdefault("values", ["v"])
        for inner in value.values():
            _settle_operators(inner)
    elif isinstance(value, list):
        for inner in value:
            _settle_operators(inner)


# Values


def takes_numbers(schema: Schema) -> bool:
    """Say whether a text may be a number without quotes."""
    return bool(schema.get("x-kubernetes-int-or-string"))


def type_of(schema: Schema) -> str:
    """Return the JSON type of a schema; of texts that may be numbers, that of texts."""
    return "string" if takes_numbers(schema) else str(schema["type"])


def example(schema: Schema, number: int = 0) -> Any:
    """Return a right value; a different one for each number, if several are possible."""
    kind = type_of(schema)
    if kind == "string":
        return _text(schema, number)
    if kind == "boolean":
        return True
    if kind == "integer":
        return schema.get("minimum", 1)
    if kind == "array":
        return [_item(schema["items"], index) for index in range(max(1, schema.get("minItems", 0)))]
    return {key: example(schema["properties"][key]) for key in schema.get("required", ())}


def _item(schema: Schema, number: int) -> Any:
    made = example(schema, number)
    if isinstance(made, dict):
        properties = schema.get("properties", {})
        if "name" in made:
            made["name"] = f"rule-{number}"
        if "action" in made:
            made["action"] = "Allow"
        if "key" in made:
            made["operator"] = "Exists"
        if not made and "serviceAccounts" in properties:
            made["serviceAccounts"] = ["one"]
    return made


SHAPES: tuple[Callable[[int], str], ...] = (
    lambda n: f"a{n}",
    lambda n: f"10.{n}.0.0/16",
    lambda n: f"{n}-{n + 100}",
    lambda n: f"{n:02x}:ff",
    lambda n: f"a/b{n}",
)


def _text(schema: Schema, number: int) -> str:
    if "enum" in schema:
        return str(schema["enum"][number % len(schema["enum"])])
    if is_cidr(schema):
        return f"10.{number}.0.0/16"
    return next(text for text in (shape(number) for shape in SHAPES) if fits(schema, text))


def is_cidr(schema: Schema) -> bool:
    """Say whether texts are CIDRs, as a rule of CEL does."""
    return any("isCIDR" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ()))


def fits(schema: Schema, text: str) -> bool:
    """Whether the schema permits a text, CEL aside. NB: `$` is the end of the text there (RE2), not before a last line break."""
    pattern = schema.get("pattern")
    is_matched = pattern is None or re.search(pattern.removesuffix("$") + r"\Z", text) is not None
    return is_matched and schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", 1 << 30)


def is_backwards(schema: Schema, text: str) -> bool:
    """Whether a text is a range that ends before it begins, which a rule of CEL refuses."""
    if not any("split" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ())):
        return False
    low, dash, high = text.partition("-")
    return bool(dash) and low.isdigit() and high.isdigit() and int(low) > int(high)


# Probes


def probes(kind: str) -> Iterator[Probe]:
    """Yield the probes of every place below `spec`."""
    for path, what, value, is_right in _probes(schema_of(kind)["properties"]["spec"], ""):
        yield Probe(kind, path, what, value, is_right)


Found = Iterator[tuple[str, str, Any, bool]]
OTHERS = {"string": 5, "boolean": "true", "integer": "5", "array": {}, "object": []}
"""A value of another type for each type."""


def _probes(schema: Schema, path: str) -> Found:
    kind = type_of(schema)
    yield path, "another type", True if takes_numbers(schema) else OTHERS[kind], False
    if takes_numbers(schema):
        yield path, "a number", schema["maximum"], True
        yield path, "a number that is too large", schema["maximum"] + 1, False
        yield path, "a negative number", schema["minimum"] - 1, False
    yield from {"string": _of_text, "integer": _of_integer, "array": _of_list, "object": _of_object}.get(
        kind, _of_flag
    )(schema, path)


def _of_flag(_schema: Schema, path: str) -> Found:
    yield path, "true", True, True
    yield path, "false", False, True


def _of_text(schema: Schema, path: str) -> Found:
    if "enum" in schema:
        for word in schema["enum"]:
            yield path, f"word {word}", word, True
        yield path, "other word", "Other", False
        return
    yield path, "a right text", example(schema), True
    if "pattern" not in schema and not is_cidr(schema):
        longest = schema["maxLength"]
        yield path, "the longest", "x" * longest, True
        yield path, "too long", "x" * (longest + 1), False
        yield path, "empty", "", not schema.get("minLength")
    elif "pattern" in schema:
        for text in EDGES:
            yield path, f"edge {text[:9]} {len(text)}", text, fits(schema, text) and not is_backwards(schema, text)
    else:
        for text, is_right in CIDRS.items():
            yield path, f"cidr {text}", text, is_right


EDGES = (
    "",
    "a",
    "a" * 63,
    "a" * 64,
    "a" * 65,
    "a" * 63 + "*",
    "a" * 64 + "*",
    "a*",
    "a-*",
    "*",
    "**",
    "*a",
    "a*b",
    "-a",
    "a-",
    "-",
    "A",
    "a.b",
    "a..b",
    "a_b",
    "_a",
    "a b",
    "a\n",
    "é",
    "a/b",
    "a/*",
    "a/",
    "/a",
    "a/b/c",
    "a.b/c",
    "A/b",
    "a/B",
    "a/b.c",
    "a/b..c",
    f"{'a' * 63}/b",
    f"{'a' * 64}/b",
    f"a/{'b' * 63}",
    f"a/{'b' * 64}",
    "a" * 127 + "*",
    "a" * 128,
    "a" * 129,
    "0",
    "100-199",
    "99999",
    "100000",
    "1-",
    "-1",
    "1-2-3",
    "9-3",
    "00009-10",
    "0-99999",
    "aa",
    "aa:bb",
    "AA:bb",
    "aa:b",
    "aabb",
    "aa:bb:cc:dd:ee:ff:00:11",
    "aa:bb:cc:dd:ee:ff:00:11:22",
    "gg",
    "١",
)
"""Texts near the edge of one pattern or another; each is tried on all of them."""

CIDRS = {
    "10.0.0.0/8": True,
    "10.1.2.3/8": True,
    "0.0.0.0/0": True,
    "2001:db8::/64": True,
    "::/0": True,
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128": True,
    "10.0.0.0": False,
    "10.0.0.0/33": False,
    "10.0.0.0/08": False,
    "010.0.0.0/8": False,
    "10.0.0/8": False,
    "10.0.0.0/-1": False,
    "10.0.0.0/": False,
    "": False,
    "fe80::1%eth0/64": False,
    "2001:db8::/129": False,
    "::ffff:10.0.0.0/104": False,
    "10.0.0.0/8 ": False,
}


def _of_integer(schema: Schema, path: str) -> Found:
    least, most = schema["minimum"], schema.get("maximum", 2**63 - 1)
    yield path, "the least", least, True
    yield path, "the most", most, True
    yield path, "too little", least - 1, False
    if most < 2**63 - 1:
        yield path, "too much", most + 1, False
    yield path, "a fraction", least + 0.5, False


def _of_list(schema: Schema, path: str) -> Found:
    items, most, least = schema["items"], schema["maxItems"], schema.get("minItems", 0)
    assert least in {0, 1}
    yield path, "empty", [], not least
    if "enum" in items:
        assert most >= len(items["enum"])  # a set cannot have more
        yield path, "every word", list(items["enum"]), True
    else:
        yield path, "the most items", [_item(items, index) for index in range(most)], True
        yield path, "too many items", [_item(items, index) for index in range(most + 1)], False
    if schema.get("x-kubernetes-list-type") == "set":
        yield path, "one twice", [example(items), example(items)], False
    if schema.get("x-kubernetes-list-type") == "map":
        yield path, "one name twice", [_item(items, 1), _item(items, 1)], False
    yield from _probes(items, f"{path}[]")


def _of_object(schema: Schema, path: str) -> Found:
    inside = f"{path}." if path else ""
    if "additionalProperties" in schema:
        most = schema["maxProperties"]
        yield path, "the most keys", {f"k{index}": "v" for index in range(most)}, True
        yield path, "too many keys", {f"k{index}": "v" for index in range(most + 1)}, False
        for text in EDGES:
            yield path, f"key {text}", {text: "v"}, _fits_key(schema, text)
        yield from _probes(schema["additionalProperties"], f"{inside}{{}}")
        return
    for required in schema.get("required", ()):
        whole = {**example(schema), **STANDING_BY.get(path.rpartition(".")[2], {})}
        yield path, f"without {required}", {key: value for key, value in whole.items() if key != required}, False
    if path:
        yield f"{inside}other", "unknown key", 1, False
    for key, inner in schema.get("properties", {}).items():
        yield from _probes(inner, f"{inside}{key}")


def _fits_key(schema: Schema, text: str) -> bool:
    """Say whether a rule of CEL permits a key; the pattern is quoted twice there."""
    (rule,) = schema["x-kubernetes-validations"]
    pattern = rule["rule"].partition(".matches('")[2].removesuffix("'))").replace("\\\\", "\\")
    return fits({"pattern": pattern, "maxLength": 317}, text)


# Rules of CEL


def rules(schema: Schema) -> Iterator[str]:
    """Yield every rule of CEL, each once per place."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["rule"]
    for inner in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if inner:
            yield from rules(inner)


ALLOW = {"name": "a", "action": "Allow"}
DENY = {"name": "a", "action": "Deny"}
BROKEN: dict[str, Object] = {
    "(has(self.attachments) && size(self.attachments) > 0) || (has(self.definitions) && size(self.definitions) > 0)": {},
    "!(has(self.pods) || has(self.exceptPods)) || (has(self.attachments) && size(self.attachments) > 0)": {
        "pods": [{"namespaces": ["a"]}],
        "definitions": [ALLOW],
    },
    "has(self.namespaces) || has(self.namespaceSelector) || has(self.podSelector) || has(self.serviceAccounts)": {
        "pods": [{}],
        "attachments": [ALLOW],
    },
    "self.operator in ['In','NotIn'] ? (has(self.values) && size(self.values) > 0) : (!has(self.values) || size(self.values) == 0)": {
        "pods": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}],
        "attachments": [ALLOW],
    },
    r"self.all(key, size(key) <= 317 && key.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$'))": {
        "pods": [{"podSelector": {"matchLabels": {"-a": "b"}}}],
        "attachments": [ALLOW],
    },
    "type(self) == int || !self.matches('^[0-9]{1,5}-[0-9]{1,5}$') || int(self.split('-')[0]) <= int(self.split('-')[1])": {
        "attachments": [{**ALLOW, "networks": [{"vlans": ["9-3"]}]}]
    },
    "self.action == 'Allow' || !has(self.limits)": {"attachments": [{**DENY, "limits": {}}]},
    "self.action == 'Allow' || !has(self.requireConsent) || !self.requireConsent": {
        "attachments": [{**DENY, "requireConsent": True}]
    },
    "self.action == 'Deny' || !has(self.onRequests)": {"attachments": [{**ALLOW, "onRequests": ["ips"]}]},
    "!has(self.scope) || self.scope != 'OwnNamespace' || !has(self.namespaces)": {
        "attachments": [{**ALLOW, "networks": [{"scope": "OwnNamespace", "namespaces": ["a"]}]}]
    },
    "isCIDR(self)": {"attachments": [{**ALLOW, "limits": {"ips": {"cidrs": ["10.0.0.0"]}}}]},
    "(has(self.users) && size(self.users) > 0) || (has(self.groups) && size(self.groups) > 0) || (has(self.serviceAccounts) && size(self.serviceAccounts) > 0)": {
        "definitions": [{**ALLOW, "authors": {"users": []}}]
    },
    "self.action == 'Allow' || !has(self.config) || !has(self.config.sharing)": {
        "definitions": [{**DENY, "config": {"sharing": "None"}}]
    },
    "self.action == 'Allow' || !has(self.config) || ("
    + " && ".join(f"(!has(self.config.{key}) || size(self.config.{key}) > 0)" for key in MAY_BE_EMPTY)
    + ")": {"definitions": [{**DENY, "config": {"hostPaths": []}}]},
}
"""For each rule about policies, a spec that breaks only this rule."""

BROKEN_CONFIG: dict[str, Object] = {
    "isCIDR(self)": {"definitions": {"baseline": {"addresses": ["10.0.0.0"]}}},
    "(has(self.users) && size(self.users) > 0) || (has(self.groups) && size(self.groups) > 0) || (has(self.serviceAccounts) && size(self.serviceAccounts) > 0)": {
        "namespaceLabels": {"writers": {"users": []}}
    },
}
"""For each rule about the configuration, except that of its name, a spec that breaks only this rule."""

NAME_RULE = "self.metadata.name == 'cluster'"

LONG = "a" * 254
STRICTER: dict[str, Object] = {
    "a long prefix": {
        "pods": [{"podSelector": {"matchExpressions": [{"key": f"{LONG}/a", "operator": "Exists"}]}}],
        "attachments": [ALLOW],
    },
    "a long prefix in matchLabels": {
        "pods": [{"podSelector": {"matchLabels": {f"{LONG}/a": "b"}}}],
        "attachments": [ALLOW],
    },
    "a long account": {"definitions": [{**ALLOW, "authors": {"serviceAccounts": [f"a/{LONG}"]}}]},
}
"""Values that our reader refuses and the schema cannot; the head of the CRD documents them."""


def policy(spec: Object, *, name: str = "probe") -> Object:
    """Return a policy."""
    return {"apiVersion": API_VERSION, "kind": POLICY, "metadata": {"name": name}, "spec": spec}
