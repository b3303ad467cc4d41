"""The most expensive reviews of each kind, and the cluster that they are about.

Each is a text that an author with the rights of one namespace can send, as large as the API server accepts. The bench
sends the whole text; the tests of growth send a part of it, then twice and four times that part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
STATUS = "k8s.v1.cni.cncf.io/network-status"
ANNOTATION = 262_144 - 200
"""Bytes of one annotation: all annotations of an object have at most 262,144 (apimachinery, TotalAnnotationSizeLimitB)."""
OBJECT = 1_500_000
"""Bytes of one object that etcd accepts (--max-request-bytes is 1.5 MiB)."""
REQUEST = 3_000_000
"""Bytes of one object that the API server reads and sends to webhooks, before it checks the size for etcd."""

Json = dict[str, Any]


class Hostile(NamedTuple):
    """One kind of text: `make` returns the review for a size in bytes, `size` is the largest size."""

    make: Callable[[int], Json]
    size: int
    path: str = "/validate"


def review(thing: Json | None, old: Json | None = None, *, group: str = "", kind: str = "Pod", sub: str = "") -> Json:
    """Return an AdmissionReview in namespace `blue`."""
    known = thing or old or {}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "operation": "DELETE" if thing is None else "UPDATE" if old else "CREATE",
            "namespace": "blue",
            "name": known["metadata"].get("name", ""),
            "subResource": sub,
            "userInfo": {"username": "bob", "groups": ["system:authenticated"]},
            "object": thing,
            "oldObject": old,
        },
    }


def pod(networks: str | None = None, *, annotations: Mapping[str, str] | None = None, **spec: Any) -> Json:
    given = {**({NETWORKS: networks} if networks is not None else {}), **(annotations or {})}
    containers = [{"name": "c", "image": "x"}]
    return {
        "metadata": {"name": "p", "annotations": given, "labels": {"app": "a"}},
        "spec": {"containers": containers, **spec},
    }


def definition(config: str, **metadata: Any) -> Json:
    return {"metadata": {"name": "t", **metadata}, "spec": {"config": config}}


def filled(size: int, item: Callable[[int], str], *, separator: str = ",") -> str:
    """Return numbered items, up to a size in bytes."""
    parts: list[str] = []
    left = size
    while left > 0:
        parts.append(item(len(parts)))
        left -= len(parts[-1].encode()) + len(separator)
    return separator.join(parts[:-1] if len(parts) > 1 else parts)


def _networks(make: Callable[[int], str], *, path: str = "/validate", size: int = ANNOTATION) -> Hostile:
    return Hostile(lambda size: review(pod(make(size))), size, path)


def _element(key: str, item: Callable[[int], str], *, brackets: str = "[]") -> Hostile:
    """Return one element with a long list, or object, under a key."""
    opening, closing = brackets[0], brackets[1]
    return _networks(lambda size: f'[{{"name":"lan","{key}":{opening}{filled(size, item)}{closing}}}]')


def _config(make: Callable[[int], str], *, size: int = OBJECT) -> Hostile:
    return Hostile(
        lambda size: review(definition(make(size)), group="k8s.cni.cncf.io", kind="NetworkAttachmentDefinition"), size
    )


def _member(text: str, *, kind: str = "macvlan") -> str:
    return f'{{"cniVersion":"1.0.0","type":"{kind}",{text}}}'


def _listed(key: str, item: Callable[[int], str], *, kind: str = "macvlan", size: int = OBJECT) -> Hostile:
    return _config(lambda size: _member(f'"{key}":[{filled(size, item)}]', kind=kind), size=size)


def _ipam(kind: str, key: str, item: Callable[[int], str], *, before: str = "[", after: str = "]") -> Hostile:
    def make(size: int) -> str:
        return _member(f'"master":"e","ipam":{{"type":"{kind}","{key}":{before}{filled(size, item)}{after}}}')

    return _config(make)


def _spec(make: Callable[[int], Json], *, kind: str = "NetworkAttachmentPolicy", size: int = OBJECT) -> Hostile:
    def made(size: int) -> Json:
        name = "cluster" if kind.endswith("Config") else "p"
        return review({"metadata": {"name": name}, "spec": make(size)}, group="access.nadmit.io", kind=kind)

    return Hostile(made, size)


def _numbered(size: int, each: int, item: Callable[[int], Any]) -> list[Any]:
    return [item(number) for number in range(max(1, size // each))]


def _object(number: int, prefix: str = "k") -> str:
    return f'"{prefix}{number}":0'


PODS = {
    "networks: a,a,..": _networks(lambda size: filled(size, lambda _: "a")),
    "networks: commas": _networks(lambda size: "," * size),
    "networks: lan,lan,..": _networks(lambda size: filled(size, lambda _: "lan")),
    "networks: a1,a2,..": _networks(lambda size: filled(size, lambda n: f"a{n}")),
    "networks: lan@net1,..": _networks(lambda size: filled(size, lambda n: f"lan@net{n}")),
    "networks: lan@x,lan@x,..": _networks(lambda size: filled(size, lambda _: "lan@x")),
    "networks: BAD/BAD,..": _networks(lambda size: filled(size, lambda _: "A/B")),
    "networks: infra/secret,..": _networks(lambda size: filled(size, lambda _: "infra/secret")),
    "networks: one long name": _networks(lambda size: "a" * size),
    "networks: one long bad name": _networks(lambda size: "é" * (size // 2)),
    "networks: white space": _networks(lambda size: " " * size),
    "networks: [0,0,..]": _networks(lambda size: f"[{filled(size, lambda _: '0')}]"),
    "networks: [{},{},..]": _networks(lambda size: f"[{filled(size, lambda _: '{}')}]"),
    "networks: [[],[],..]": _networks(lambda size: f"[{filled(size, lambda _: '[]')}]"),
    "networks: [[[[": _networks(lambda size: "[" * size),
    'networks: {"a":{"a":': _networks(lambda size: '{"a":' * (size // 5)),
    "networks: 64 nested lists": _networks(lambda size: f"[{filled(size, lambda _: '[' * 60 + ']' * 60)}]"),
    'networks: ["\\ud800"..': _networks(
        lambda size: f"[{filled(size, lambda _: chr(34) + chr(92) + 'ud800' + chr(34))}]"
    ),
    "networks: duplicate keys": _networks(lambda size: f"[{{{filled(size, lambda _: _object(0))}}}]"),
    "networks: pairs of keys": _networks(lambda size: f"[{{{filled(size, lambda n: _object(n // 2))}}}]"),
    "networks: many duplicates": _networks(
        lambda size: (
            f"[{filled(size, lambda _: chr(123) + chr(34) + 'a' + chr(34) + ':0,' + chr(34) + 'a' + chr(34) + ':0' + chr(125))}]"
        )
    ),
    "networks: unknown keys": _networks(lambda size: f'[{{"name":"lan",{filled(size, _object)}}}]'),
    "networks: dotted keys": _networks(lambda size: f'[{{"name":"lan",{filled(size, lambda n: _object(n, "a."))}}}]'),
    "networks: long digits": _networks(lambda size: f"[{'1' * size}]"),
    "networks: long float": _networks(lambda size: f"[0.{'1' * size}e9]"),
    "networks: floats": _networks(lambda size: f"[{filled(size, lambda _: '1e9')}]"),
    "networks: unterminated": _networks(lambda size: '["' + "a" * size),
    "networks: newlines": _networks(lambda size: "[" + "\n" * size),
    "networks: escapes": _networks(lambda size: '["' + "\\u0041" * (size // 6) + '"]'),
    "networks: named lan": _networks(
        lambda size: (
            f"[{filled(size, lambda _: chr(123) + chr(34) + 'name' + chr(34) + ':' + chr(34) + 'lan' + chr(34) + chr(125))}]"
        )
    ),
    "networks: default routes": _networks(
        lambda size: "[" + filled(size, lambda _: '{"name":"lan","default-route":[]}') + "]"
    ),
    "ips: bad": _element("ips", lambda _: '""'),
    "ips: good": _element("ips", lambda n: f'"10.1.{n // 256 % 256}.{n % 256}/16"'),
    "ips: IPv6": _element("ips", lambda n: f'"fd00::{n % 65536:x}"'),
    "ips: one network each": _networks(
        lambda size: "[" + filled(size, lambda n: f'{{"name":"hl","ips":["10.1.{n // 256 % 256}.{n % 256}"]}}') + "]"
    ),
    "default-route: long": _element("default-route", lambda _: '"::"'),
    "portMappings: empty": _element("portMappings", lambda _: "{}"),
    "portMappings: good": _element("portMappings", lambda _: '{"hostPort":1,"containerPort":1}'),
    "portMappings: unknown keys": _element("portMappings", lambda _: '{"hostPorr":1}'),
    "bandwidth: unknown keys": _element("bandwidth", _object, brackets="{}"),
    "cni-args: many": _element("cni-args", _object, brackets="{}"),
    "cni-args: ips": _element("cni-args", lambda n: f'"ips{n}":"1.2.3.4"', brackets="{}"),
    "cni-args: one long ips": _networks(lambda size: '[{"name":"lan","cni-args":{"ips":"' + "," * size + '"}}]'),
    "mac: long": _networks(lambda size: '[{"name":"lan","mac":"' + ":" * size + '"}]'),
    "interface: long": _networks(lambda size: '[{"name":"lan","interface":"' + "x" * size + '"}]'),
    "default-network: a,a,..": Hostile(
        lambda size: review(pod(annotations={DEFAULT_NETWORK: filled(size, lambda _: "a")})), ANNOTATION
    ),
    "both annotations": Hostile(
        lambda size: review(
            pod(filled(size // 2, lambda _: "a"), annotations={DEFAULT_NETWORK: filled(size // 2, lambda _: "a")})
        ),
        ANNOTATION,
    ),
    "labels: many": Hostile(
        lambda size: review(
            pod("lan")
            | {
                "metadata": {
                    "name": "p",
                    "annotations": {NETWORKS: "lan"},
                    "labels": {f"k{n}": "v" for n in range(size // 11)},
                }
            }
        ),
        REQUEST,
    ),
    "annotations: many": Hostile(
        lambda size: review(pod("lan", annotations={f"k{n}": "v" for n in range(size // 11)})), REQUEST
    ),
    "annotations: misspelt": Hostile(
        lambda size: review(pod(None, annotations={f"k8s.v1.cni.cncf.io/network{n}": "" for n in range(size // 40)})),
        REQUEST,
    ),
    "labels: misspelt, mutate": Hostile(
        lambda size: review(pod(None, annotations={f"k8s.v1.cni.cncf.io/network{n}": "" for n in range(size // 40)})),
        REQUEST,
        "/mutate",
    ),
    "containers: many": Hostile(
        lambda size: review(pod("vf", containers=_numbered(size, 23, lambda n: {"name": f"c{n}"}))), REQUEST
    ),
    "containers: many, mutate": Hostile(
        lambda size: review(pod("vf", containers=_numbered(size, 23, lambda n: {"name": f"c{n}"}))), REQUEST, "/mutate"
    ),
    "containers: resources, mutate": Hostile(
        lambda size: review(
            pod(
                "vf",
                containers=_numbered(
                    size, 70, lambda n: {"name": f"c{n}", "resources": {"requests": {"example.com/vf": "1"}}}
                ),
            )
        ),
        REQUEST,
        "/mutate",
    ),
    "containers: one with many resources, mutate": Hostile(
        lambda size: review(
            pod(
                "vf",
                containers=[{"name": "c", "resources": {"requests": {f"a.com/{n}": "1" for n in range(size // 18)}}}],
            )
        ),
        REQUEST,
        "/mutate",
    ),
    "containers: hugepages, mutate": Hostile(
        lambda size: review(
            pod(
                "vf",
                containers=[
                    {"name": "c", "resources": {"limits": {f"hugepages-{n}Mi": "1" for n in range(size // 24)}}}
                ],
            )
        ),
        REQUEST,
        "/mutate",
    ),
    "initContainers: many, mutate": Hostile(
        lambda size: review(
            pod("vf", initContainers=_numbered(size, 50, lambda n: {"name": f"c{n}", "restartPolicy": "Always"}))
        ),
        REQUEST,
        "/mutate",
    ),
    "env: many, mutate": Hostile(
        lambda size: review(
            pod("vf", containers=[{"name": "c", "env": _numbered(size, 20, lambda n: {"name": f"e{n}"})}])
        ),
        REQUEST,
        "/mutate",
    ),
    "volumes: many, mutate": Hostile(
        lambda size: review(pod("vf", volumes=_numbered(size, 20, lambda n: {"name": f"v{n}"}))), REQUEST, "/mutate"
    ),
    "volumes: ours, many items, mutate": Hostile(
        lambda size: review(
            pod(
                "vf",
                volumes=[
                    {
                        "name": "podnetinfo",
                        "downwardAPI": {
                            "items": _numbered(
                                size, 60, lambda _: {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
                            )
                        },
                    }
                ],
            )
        ),
        REQUEST,
        "/mutate",
    ),
    "volumes: escapes, mutate": Hostile(
        lambda size: review(pod("vf", volumes=_numbered(size, 30, lambda n: {"name": f"é{n}"}))), REQUEST, "/mutate"
    ),
    "nodeSelector: many, mutate": Hostile(
        lambda size: review(pod("vf", nodeSelector={f"k{n}": "v" for n in range(size // 11)})), REQUEST, "/mutate"
    ),
    "networks: a,a,.., mutate": _networks(lambda size: filled(size, lambda _: "a"), path="/mutate"),
    "networks: vf,vf,.., mutate": _networks(lambda size: filled(size, lambda _: "vf"), path="/mutate"),
    "networks: sel, mutate": _networks(lambda size: filled(size, lambda _: "sel"), path="/mutate"),
    "inject-into: many containers, mutate": Hostile(
        lambda size: review(
            pod(
                "vf",
                annotations={"nadmit.io/inject-into": "zz"},
                containers=_numbered(size, 23, lambda n: {"name": f"c{n}"}),
            )
        ),
        REQUEST,
        "/mutate",
    ),
    "UPDATE: a,a,..": Hostile(
        lambda size: review(pod(filled(size, lambda _: "a")), pod(filled(size - 2, lambda _: "a"))), ANNOTATION
    ),
    "UPDATE: elements": Hostile(
        lambda size: review(
            pod("[" + filled(size, lambda n: f'{{"name":"a","a.b":{n}}}') + "]"),
            pod("[" + filled(size - 20, lambda n: f'{{"name":"a","a.b":{n}}}') + "]"),
        ),
        ANNOTATION,
    ),
    "UPDATE: status": Hostile(
        lambda size: review(pod("lan", annotations={STATUS: "[" + "0," * (size // 2)}), pod("lan"), sub="status"),
        ANNOTATION,
    ),
    "UPDATE: two large objects": Hostile(
        lambda size: review(pod("lan", x=["y" * 10] * (size // 30)), pod("a", x=["y" * 10] * (size // 30))), 2 * REQUEST
    ),
    "Deployment: a,a,..": Hostile(
        lambda size: review(
            {"metadata": {"name": "d"}, "spec": {"template": pod(filled(size, lambda _: "a"))}},
            group="apps",
            kind="Deployment",
        ),
        ANNOTATION,
    ),
    "Deployment: annotations": Hostile(
        lambda size: review(
            {
                "metadata": {"name": "d"},
                "spec": {
                    "template": pod(None, annotations={f"k8s.v1.cni.cncf.io/network{n}": "" for n in range(size // 40)})
                },
            },
            group="apps",
            kind="Deployment",
        ),
        REQUEST,
    ),
    "Binding: annotations": Hostile(
        lambda size: review(
            {"metadata": {"name": "d", "annotations": {f"k{n}": "" for n in range(size // 10)}}}, kind="Binding"
        ),
        REQUEST,
    ),
    "other kind: labels": Hostile(
        lambda size: review(
            {"metadata": {"name": "d", "labels": {f"k{n}": "" for n in range(size // 10)}}}, kind="ConfigMap"
        ),
        REQUEST,
    ),
    "other kind: wrong type at the end": Hostile(
        lambda size: review(
            {"metadata": {"name": "d", "labels": {**{f"k{n}": "" for n in range(size // 10)}, "z": 1}}}, kind="Widget"
        ),
        REQUEST,
    ),
    "pod: wrong type at the end": Hostile(
        lambda size: review(
            {"metadata": {"name": "d", "labels": {**{f"k{n}": "" for n in range(size // 10)}, "z": 1}}}
        ),
        REQUEST,
    ),
    "groups: many": Hostile(
        lambda size: {
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                **review(pod("lan"))["request"],
                "userInfo": {"username": "x", "groups": [f"g{n}" for n in range(size // 10)]},
            },
        },
        REQUEST,
    ),
}

DEFINITIONS = {
    "config: cniVersions": _listed("cniVersions", lambda _: '"1.0.0"'),
    "config: cniVersions bad": _listed("cniVersions", lambda _: '""'),
    "config: cniVersions numbers": _listed("cniVersions", lambda _: "0"),
    "config: plugins": _config(
        lambda size: '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda _: '{"type":"a"}') + "]}"
    ),
    "config: plugins, types differ": _config(
        lambda size: (
            '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda n: f'{{"type":"a{n}"}}') + "]}"
        )
    ),
    "config: plugins portmap": _config(
        lambda size: (
            '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda _: '{"type":"portmap"}') + "]}"
        )
    ),
    "config: plugins multus": _config(
        lambda size: '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda _: '{"type":"multus"}') + "]}"
    ),
    "config: plugins bridge": _config(
        lambda size: (
            '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda _: '{"type":"bridge","vlan":1}') + "]}"
        )
    ),
    "config: plugins {}": _config(
        lambda size: '{"cniVersion":"1.0.0","name":"t","plugins":[' + filled(size, lambda _: "{}") + "]}"
    ),
    "config: unknown keys": _config(lambda size: _member(filled(size, _object))),
    "config: unknown keys, case twins": _config(
        lambda size: _member(filled(size, lambda n: f'"{"kK"[n % 2]}{n // 2}":0'))
    ),
    "config: near keys": _config(lambda size: _member(filled(size, lambda n: f'"mastee{n}":0'))),
    "config: nested": _config(lambda size: _member('"x":' + "[" * (size // 2) + "]" * (size // 2))),
    "config: nested 60": _config(lambda size: _member('"x":[' + filled(size, lambda _: "[" * 55 + "]" * 55) + "]")),
    "config: delegates": _config(lambda size: _member('"delegates":[' + filled(size, lambda _: '{"type":"a"}') + "]")),
    "config: delegates nested": _config(
        lambda size: (
            '{"cniVersion":"1.0.0","type":"flannel","delegates":['
            + filled(size, lambda _: '{"delegates":' * 10 + "[]" + "}" * 10)
            + "]}"
        )
    ),
    "config: [0,0,..]": _listed("x", lambda _: "0"),
    "config: [{},{},..]": _listed("x", lambda _: "{}"),
    "config: strings": _listed("x", lambda n: f'"{n}"'),
    "config: duplicate keys": _config(lambda size: _member(filled(size, lambda n: _object(n // 2)))),
    "config: digits": _config(lambda size: _member('"x":' + "1" * size)),
    "config: ints of 100 digits": _listed("x", lambda _: "9" * 100),
    "config: bad json": _config(lambda size: _member('"x":"' + "a" * size)[:-1]),
    "config: lone surrogates": _listed("x", lambda _: '"\\ud800"'),
    "config: escapes": _config(lambda size: _member('"x":"' + "\\u00e9" * (size // 6) + '"')),
    "config: long type": _config(lambda size: f'{{"cniVersion":"1.0.0","type":"{"a" * size}"}}'),
    "config: long key": _config(lambda size: _member(f'"{"a" * size}":0')),
    "config: long name": _config(lambda size: _member(f'"name":"{"a" * size}"')),
    "config: long master": _config(lambda size: _member(f'"master":"{"a" * size}"')),
    "config: capabilities": _config(
        lambda size: _member('"capabilities":{' + filled(size, lambda n: f'"c{n}":true') + "}")
    ),
    "config: dns": _config(lambda size: _member('"dns":{"nameservers":[' + filled(size, lambda _: '"1.1.1.1"') + "]}")),
    "config: vlanTrunk": _listed("vlanTrunk", lambda n: f'{{"id":{n % 97 + 1}}}', kind="bridge"),
    "config: ovs trunk": _listed("trunk", lambda n: f'{{"minID":{n % 4094 + 1}}}', kind="ovs"),
    "config: bond links": _listed("links", lambda n: f'{{"name":"e{n}"}}', kind="bond"),
    "config: sysctl": _config(
        lambda size: (
            '{"cniVersion":"1.0.0","name":"t","plugins":[{"type":"macvlan","master":"e"},{"type":"tuning","sysctl":{'
            + filled(size, lambda n: f'"net.a{n}":"1"')
            + "}}]}"
        )
    ),
    "config: dhcp options": _ipam("dhcp", "provide", lambda _: '{"option":"x","value":"y"}'),
    "config: host-local ranges": _ipam(
        "host-local", "ranges", lambda n: f'[{{"subnet":"10.{n // 256 % 256}.{n % 256}.0/24"}}]'
    ),
    "config: host-local one set": _ipam(
        "host-local",
        "ranges",
        lambda n: f'{{"subnet":"10.{n // 256 % 256}.{n % 256}.0/24"}}',
        before="[[",
        after="]]",
    ),
    "config: host-local empty sets": _ipam("host-local", "ranges", lambda _: "[]"),
    "config: host-local routes": _ipam(
        "host-local", "routes", lambda n: f'{{"dst":"10.{n // 256 % 256}.{n % 256}.0/24"}}'
    ),
    "config: static addresses": _ipam(
        "static", "addresses", lambda n: f'{{"address":"10.{n // 256 % 256}.{n % 256}.1/24","gateway":"1.1.1.1"}}'
    ),
    "config: whereabouts exclude": _ipam(
        "whereabouts",
        "exclude",
        lambda n: f'"10.{n // 256 % 256}.{n % 256}.0/24"',
        before="[",
        after='],"range":"10.0.0.0/8"' + ',"x":[0]',
    ),
    "config: whereabouts ipRanges": _ipam(
        "whereabouts", "ipRanges", lambda n: f'{{"range":"10.{n // 256 % 256}.{n % 256}.0/24"}}'
    ),
    "config: labels": Hostile(
        lambda size: review(
            definition(_member('"master":"e"'), labels={f"k{n}": "v" for n in range(size // 11)}),
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        REQUEST,
    ),
    "config: consent list": Hostile(
        lambda size: review(
            definition(
                _member('"master":"e"'), annotations={"access.nadmit.io/allowed-namespaces": "a," * (size // 2)}
            ),
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        ANNOTATION,
    ),
    "config: consent selector": Hostile(
        lambda size: review(
            definition(
                _member('"master":"e"'),
                annotations={
                    "access.nadmit.io/allowed-namespace-selector": filled(min(size, 8191), lambda n: f"k{n}=v")
                },
            ),
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        ANNOTATION,
    ),
    "config: node selector": Hostile(
        lambda size: review(
            definition(
                _member('"master":"e"'),
                annotations={
                    "k8s.v1.cni.cncf.io/nodeSelector": "a" * size,
                    "k8s.v1.cni.cncf.io/resourceName": "a." * (size // 4),
                },
            ),
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        ANNOTATION,
    ),
    "config: object": Hostile(
        lambda size: review(
            {"metadata": {"name": "t"}, "spec": {"config": _numbered(size, 2, lambda _: 0)}},
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        REQUEST,
    ),
    "config: UPDATE both large": Hostile(
        lambda size: review(
            definition(_member('"x":[' + filled(size, lambda _: "{}") + "]")),
            definition(_member('"y":[' + filled(size, lambda _: "{}") + "]")),
            group="k8s.cni.cncf.io",
            kind="NetworkAttachmentDefinition",
        ),
        OBJECT,
    ),
}


def _rule(number: int, **more: Any) -> Json:
    return {"name": f"r{number}", "action": "Deny", **more}


def _names(count: int, seed: str = "") -> list[str]:
    return [f"n{seed}{n}*" for n in range(count)]


def _rules(size: int, action: str) -> Json:
    patterns = [f"n{n}*" for n in range(32)] + [f"n{n}" for n in range(32)]
    networks = [
        {"names": patterns, "pluginTypes": patterns, "masters": patterns}
        for _ in range(max(1, min(32, size // 64 // 2400)))
    ]
    return {
        "pods": [{"namespaces": patterns}],
        "attachments": [{"name": f"r{n}", "action": action, "networks": networks} for n in range(64)],
    }


POLICIES = {
    "policy: 64 rules of 64 patterns": _spec(lambda size: _rules(size, "Deny"), size=REQUEST),
    "policy: 64 definitions rules": _spec(
        lambda _size: {
            "definitions": [
                {
                    "name": f"r{n}",
                    "action": "Deny",
                    "config": {
                        key: [f"{n}x{i}*" if i % 2 else f"{n}x{i}" for i in range(64)]
                        for key in ("pluginTypes", "ipamTypes", "masters", "resourceNames")
                    },
                    "authors": {"users": [f"u{i}" for i in range(64)]},
                }
                for n in range(64)
            ]
        }
    ),
    "policy: too many rules": _spec(
        lambda size: {"attachments": _numbered(size, 50, lambda n: {"name": f"r{n}", "action": "Deny"})}, size=REQUEST
    ),
    "policy: too many definitions": _spec(
        lambda size: {"definitions": _numbered(size, 50, lambda n: {"name": f"r{n}", "action": "Deny"})}, size=REQUEST
    ),
    "policy: rules of one name": _spec(
        lambda size: {"attachments": _numbered(size, 50, lambda _: {"name": "r", "action": "Deny"})}, size=REQUEST
    ),
    "policy: rules are numbers": _spec(lambda size: {"attachments": [0] * (size // 2)}, size=REQUEST),
    "policy: rules are {}": _spec(lambda size: {"attachments": [{}] * (size // 3)}, size=REQUEST),
    "policy: unknown keys": _spec(lambda size: {f"k{n}": 0 for n in range(size // 9)}, size=REQUEST),
    "policy: unknown keys in rules": _spec(
        lambda size: {"attachments": [{f"k{n}": 0 for n in range(size // 600)}] * 64}, size=REQUEST
    ),
    "policy: labels": _spec(
        lambda size: {
            "pods": [{"podSelector": {"matchLabels": {f"k{n}": "v" for n in range(size // 11)}}}],
            "attachments": [_rule(0)],
        },
        size=REQUEST,
    ),
    "policy: names": _spec(
        lambda size: {"attachments": [_rule(0, networks=[{"names": [f"n{n}" for n in range(size // 9)]}])]},
        size=REQUEST,
    ),
    "policy: 64 long entries": _spec(
        lambda size: {
            "attachments": [_rule(n, networks=[{"names": ["A" * (size // 64 // 64)] * 64}]) for n in range(64)]
        },
        size=REQUEST,
    ),
    "policy: networks": _spec(lambda size: {"attachments": [_rule(0, networks=[{}] * (size // 3))]}, size=REQUEST),
    "policy: long text": _spec(lambda size: {"contact": "x" * size, "attachments": [_rule(0)]}, size=REQUEST),
    "policy: long name": Hostile(
        lambda size: review(
            {"metadata": {"name": "a." * (size // 2)}, "spec": {"attachments": [_rule(0)]}},
            group="access.nadmit.io",
            kind="NetworkAttachmentPolicy",
        ),
        REQUEST,
    ),
    "policy: selectors": _spec(
        lambda _size: {
            "pods": [
                {
                    "podSelector": {
                        "matchExpressions": [
                            {"key": f"k{i}", "operator": "In", "values": [f"v{j}" for j in range(64)]}
                            for i in range(16)
                        ]
                    }
                }
                for _ in range(32)
            ],
            "attachments": [_rule(n) for n in range(64)],
        },
        size=REQUEST,
    ),
    "policy: spec is nested": _spec(lambda _size: {"attachments": json.loads("[" * 500 + "]" * 500)}, size=REQUEST),
    "config object: statusWriters": _spec(
        lambda size: {"statusWriters": [f"u{n}" for n in range(size // 9)]},
        kind="NetworkAttachmentPolicyConfig",
        size=REQUEST,
    ),
    "config object: exemptNamespaces": _spec(
        lambda size: {"exemptNamespaces": [f"u{n}" for n in range(size // 9)]},
        kind="NetworkAttachmentPolicyConfig",
        size=REQUEST,
    ),
    "config object: globalNamespaces": _spec(
        lambda size: {"globalNamespaces": [f"u{n}" for n in range(size // 9)]},
        kind="NetworkAttachmentPolicyConfig",
        size=REQUEST,
    ),
    "config object: unknown keys": _spec(
        lambda size: {f"k{n}": 0 for n in range(size // 9)}, kind="NetworkAttachmentPolicyConfig", size=REQUEST
    ),
}

STORED = {
    "64 large definitions": _networks(lambda _: ",".join(f"large{n}" for n in range(64))),
    "64 large definitions, mutate": _networks(lambda _: ",".join(f"large{n}" for n in range(64)), path="/mutate"),
    "64 definitions of 200 ranges": _networks(
        lambda _: json.dumps([{"name": f"ranges{n}", "ips": [f"10.1.{n}.9"]} for n in range(64)])
    ),
    "256 addresses of 200 ranges": _networks(
        lambda _: json.dumps([{"name": "hl", "ips": [f"10.1.{n % 200}.{n}" for n in range(256)]}])
    ),
    "64 missing, 10,000 names": _networks(lambda _: ",".join(f"nett-{n}" for n in range(64))),
}
"""Kinds that refer to objects which the author stored earlier; the cluster of `worst` has them."""

CASES: Mapping[str, Hostile] = {**PODS, **DEFINITIONS, **POLICIES, **STORED}


def body(one: Hostile, size: int) -> bytes:
    """Return the body of a review of a size, compact as the API server sends it."""
    return json.dumps(one.make(size), separators=(",", ":")).encode()
