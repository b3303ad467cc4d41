"""The pod of a virtual machine of KubeVirt: `spec.networks` and `spec.domain.devices.interfaces` as its annotations.

KubeVirt's virt-controller makes one pod for each running machine, and writes both network annotations into it
(kubevirt/kubevirt d923fdb, pkg/network/multus/annotation.go, pkg/network/pod/annotations/generator.go):

- one item for each `multus` network that is not `default`, with the interface `pod` and a hash, and the `macAddress` of
  the interface of the same name; a network whose interface has `state: absent` is left out;
- the default-network annotation for the network with `default: true`, with the text of `networkName` as it is;
- all other annotations of the machine. So network annotations on a machine without such networks reach the pod, and
  others are written anew.

The pod's labels are those of the machine and three of KubeVirt, and its account is that of `spec.serviceAccountName`,
or of a volume of type `serviceAccount` (pkg/virt-controller/services/template.go). Networks that a binding plugin adds
are in KubeVirt's own configuration and are judged with the pod.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cniplugin.netspec import jsontext
from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS

from .podtemplates import FoundPod, Json, TemplatePlace, find_by_paths, parse_path, texts

APP_LABEL, NAME_LABEL, ID_LABEL = "kubevirt.io", "vm.kubevirt.io/name", "vmi.kubevirt.io/id"
LABEL_MAX = 63

_ITEM = re.compile(r"\[(\d+)\](?:\.([\w-]+))?")


class _Asked(NamedTuple):
    """One network of a machine: its position in `spec.networks`, that of its interface, and its element."""

    network: int
    interface: int | None
    element: dict[str, str]


class MachinePlace(NamedTuple):
    """Implements `PodPlace`. `spec`: the path of the machine's spec; the others are positions in `spec.networks`.

    `networks` and `interfaces` have those of each item of the networks annotation. Both are empty, and `default` is
    None, if the annotation is that of the machine itself.
    """

    path: str
    networks: tuple[int, ...] = ()
    interfaces: tuple[int | None, ...] = ()
    default: int | None = None

    def field(self, annotation: str, path: str) -> str:
        """Return the field of the machine."""
        if annotation == DEFAULT_NETWORK and self.default is not None:
            return self._network(self.default)
        match = _ITEM.match(path)
        if annotation == NETWORKS and self.networks and match is not None:
            item = int(match[1])
            interface = self.interfaces[item]
            if match[2] == "mac" and interface is not None:
                return f"{self.path}spec.domain.devices.interfaces[{interface}].macAddress"
            return self._network(self.networks[item])
        if annotation == NETWORKS and self.networks:
            return f"{self.path}spec.networks"
        return TemplatePlace(self.path).field(annotation, path)

    def item(self, position: int | None) -> str:
        """Return the network of the machine."""
        if position is None:
            return "" if self.default is None else f"{self.path}spec.networks[{self.default}]"
        return f"{self.path}spec.networks[{self.networks[position]}]" if self.networks else ""

    def source(self, position: int | None) -> str:
        """Name what the author changes."""
        if position is None:
            return "" if self.default is None else '"default: true"'
        return "this network" if self.networks else ""

    def _network(self, number: int) -> str:
        return f"{self.path}spec.networks[{number}].multus.networkName"


def find_machine(value: Json, path: str, *, is_named: bool) -> list[FoundPod]:
    """Return the pod of the machine at a path in an object, "" for the object itself.

    `is_named`: the machine has the name of the object.
    """
    metadata = value.get("metadata")
    namespace = _text(_mapping(metadata).get("namespace"))
    name = _text(_mapping(metadata).get("name")) if is_named else ""
    if not path:
        return [_pod_of(value, "", namespace, name)]
    steps = parse_path(path) or ()
    return [_pod_of(found.pod, found.place.path, namespace, name) for found in find_by_paths(value, [steps])]


def _pod_of(machine: Json, path: str, namespace: str, name: str) -> FoundPod:
    spec, metadata = _mapping(machine.get("spec")), _mapping(machine.get("metadata"))
    asked, defaults = _asked(spec, namespace)
    annotations = dict(texts(metadata.get("annotations")))
    place = MachinePlace(
        path,
        tuple(one.network for one in asked),
        tuple(one.interface for one in asked),
        defaults[0].network if defaults else None,
    )
    written = {
        **({NETWORKS: jsontext.quote([one.element for one in asked])} if asked else {}),
        **({DEFAULT_NETWORK: ",".join(one.element["name"] for one in defaults)} if defaults else {}),
    }
    replaced = tuple(f"{path}metadata.annotations[{key}]" for key in written if key in annotations)
    labels = {**texts(metadata.get("labels")), **_labels(name)}
    pod = {
        "metadata": {"labels": labels, "annotations": annotations | written},
        "spec": {"serviceAccountName": _account(spec), "resourceClaims": spec.get("resourceClaims")},
    }
    return FoundPod(place, pod, has_containers=False, replaced=replaced)


def _labels(name: str) -> dict[str, str]:
    named = {NAME_LABEL: name, ID_LABEL: name} if name and len(name) <= LABEL_MAX else {}
    return {APP_LABEL: "virt-launcher", **named}


def _account(spec: Json) -> str:
    of_volumes = (
        _text(_mapping(volume.get("serviceAccount")).get("serviceAccountName"))
        for volume in _objects(spec.get("volumes"))
    )
    return _text(spec.get("serviceAccountName")) or next(filter(None, of_volumes), "")


def _asked(spec: Json, namespace: str) -> tuple[Sequence[_Asked], Sequence[_Asked]]:
    """Return the networks of the annotation, and those for the default-network annotation."""
    interfaces = _objects(_mapping(_mapping(spec.get("domain")).get("devices")).get("interfaces"))
    places = {_text(one.get("name")): number for number, one in enumerate(interfaces)}
    others: list[_Asked] = []
    defaults: list[_Asked] = []
    for number, network, multus in _multus(spec):
        written, logical = _text(multus.get("networkName")), _text(network.get("name"))
        place = places.get(logical)
        interface = interfaces[place] if place is not None else {}
        if multus.get("default") is True:
            defaults.append(_Asked(number, place, {"name": written}))
        elif interface.get("state") != "absent":
            element = _element(written, namespace, logical, _text(interface.get("macAddress")))
            others.append(_Asked(number, place, element))
    return others, defaults


def _multus(spec: Json) -> Iterator[tuple[int, Json, Json]]:
    networks = spec.get("networks")
    for number, network in enumerate(networks if isinstance(networks, list) else ()):
        multus = network.get("multus") if isinstance(network, dict) else None
        if isinstance(multus, dict):
            yield number, network, multus


def _element(written: str, namespace: str, logical: str, mac: str) -> dict[str, str]:
    first, slash, rest = written.partition("/")
    name, where = (rest, first) if slash else (written, namespace)
    hashed = hashlib.sha256(logical.encode()).hexdigest()[:11]
    return {
        "name": name,
        **({"namespace": where} if where else {}),
        "interface": f"pod{hashed}",
        **({"mac": mac} if mac else {}),
    }


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
