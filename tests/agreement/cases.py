"""The cases: pods and definitions of this room, of the vectors and of the examples, each with its world.

pods/...        pods that a real kubelet ran as well (pods.json, networks.yaml)
annotation/...  the texts of tests/vectors/annotation.json, with definitions of all networks that they name
vectors/...     the definitions of tests/vectors/plugin_cases.json and cniconfig.json, with a pod that names them
plugins/...     those of tests/vectors/cni_plugins
reported/...    definitions and pods from public reports (reported/*.yaml)
examples/...    the networks of examples/networks
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from cniplugin.netspec.selection import DEFAULT_NETWORK, NETWORKS
from tests.paths import EXAMPLES, VECTORS
from tests.webhook.admission.plugins.real import comparing

from .reading import Wish, read, wishes

HERE = Path(__file__).parent
PLUGINS = Path("/usr/lib/cni")
NAME = "net"
"""The definition of a case that is about one definition."""
NAMESPACE = "blue"
IPAM = {"host-local", "static", "dhcp"}
"""The IPAM programs of Debian. Another plugin in their place runs IPAM itself: that is, itself, until no process is left."""
ADDRESS = "192.0.2.77/24"
RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
MISSING_LINKS = ("nosuch0",)
"""Links that the node does not have; it has all others that a definition names."""
WIDE = json.dumps(
    {
        "cniVersion": "1.0.0",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "brwide",
                "capabilities": {"ips": True, "mac": True},
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/16"}], [{"subnet": "fc00::/64"}]]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        ],
    }
)
"""A network that gives pods nearly everything that they ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A NetworkAttachmentDefinition. `config` is None if the node has the configuration."""

    namespace: str
    name: str
    config: object
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A pod or a definition, in a cluster and on a node of its own.

    `subject`: what the case is about. `asked`: what the pod should have, by interface; of a definition nothing.
    `on_disk`: configurations that the node has, by name. `unseen`: why no node tries it, "" if one does.
    """

    id: str
    subject: Literal["pod", "definition"]
    definitions: Sequence[Definition]
    namespace: str
    annotations: Mapping[str, str]
    asked: Mapping[str, Wish] = field(default_factory=dict)
    on_disk: Mapping[str, object] = field(default_factory=dict)
    unseen: str = ""

    @property
    def names_a_namespace(self) -> bool:
        """Whether the posture may decide: a network of another namespace, or of the default-network annotation."""
        texts = self.annotations.values()
        return DEFAULT_NETWORK in self.annotations or any(
            re.search("/|namespace", text, re.IGNORECASE) for text in texts
        )

    def texts(self) -> list[str]:
        """Return the configurations of the definitions that have one."""
        return [one.config for one in self.definitions if isinstance(one.config, str)]

    def named(self) -> list[Definition]:
        """Return the definitions that the annotations name."""
        text = " ".join(self.annotations.values())
        return [one for one in self.definitions if re.search(rf"\b{re.escape(one.name)}\b", text)]


@cache
def load() -> Sequence[Case]:
    """Return all cases; each id once."""
    cases = [*_pods(), *_annotations(), *_vectors(), *_plugins(), *_reported(), *_examples()]
    ids = [case.id for case in cases]
    assert len(set(ids)) == len(ids), sorted(one for one in ids if ids.count(one) > 1)
    return cases


def _pods() -> Iterator[Case]:
    data = json.loads((HERE / "pods.json").read_text())
    definitions = [_definition(item) for item in _objects(HERE / "networks.yaml") if _is_definition(item)]
    for case in data["cases"]:
        annotations = case["annotations"]
        yield Case(
            id=f"pods/{case['id']}",
            subject="pod",
            definitions=definitions,
            namespace=data["namespace"],
            annotations=annotations,
            asked=case.get("asked") or wishes(read(annotations.get(NETWORKS, ""), data["namespace"])),
            on_disk=data["on_disk"],
        )


def _annotations() -> Iterator[Case]:
    for case in json.loads((VECTORS / "annotation.json").read_text())["cases"]:
        namespace, text = case["pod_namespace"].lower(), case["annotation"]
        selected = read(text, namespace)
        named = dict.fromkeys((one.namespace, one.name) for one in selected if one.is_name)
        yield Case(
            id=f"annotation/{case['id']}",
            subject="pod",
            definitions=[Definition(namespace=where, name=name, config=WIDE) for where, name in named],
            namespace=namespace,
            annotations={NETWORKS: text},
            asked=wishes(selected),
        )


def _vectors() -> Iterator[Case]:
    for section, cases in json.loads((VECTORS / "plugin_cases.json").read_text()).items():
        for case in cases:
            yield _of_definition(f"vectors/{section}: {case['name']}", case["config"], case.get("annotations", {}))
    given = json.loads((VECTORS / "cniconfig.json").read_text())
    for section in ("accepted", "refused"):
        for case in given[section]:
            yield _of_definition(f"vectors/{section}: {case['id']}", case.get("text", case.get("config")))


def _plugins() -> Iterator[Case]:
    for section in ("accepted", "refused"):
        for (plugin, title), case in comparing.load(section).items():
            if not case.given:
                config = {**case.config, "name": NAME}
                yield _of_definition(f"plugins/{plugin}: {section}: {title}", config)


def _reported() -> Iterator[Case]:
    for path in sorted((HERE / "reported").glob("*.yaml")):
        objects = list(_objects(path))
        yield _of_objects(f"reported/{path.stem}", objects)


def _examples() -> Iterator[Case]:
    """Yield a case for each object of the examples; a pod has the definitions of its file."""
    for path in sorted((EXAMPLES / "networks").glob("*.yaml")):
        objects = list(_objects(path))
        definitions = [item for item in objects if _is_definition(item)]
        for item in objects:
            title = f"examples/{path.stem}: {item['metadata']['name']}"
            yield _of_objects(title, [item] if _is_definition(item) else [*definitions, item])


def _of_objects(title: str, objects: Sequence[Mapping[str, Any]]) -> Case:
    """Return the case of a file: of its pod if it has one, else of its first definition."""
    definitions = [_definition(item) for item in objects if _is_definition(item)]
    others = [item for item in objects if not _is_definition(item)]
    if not others:
        first = definitions[0]
        return _of_definition(title, first.config, first.annotations, namespace=first.namespace, name=first.name)
    (pod,) = others
    annotations = pod["metadata"].get("annotations", {})
    namespace = pod["metadata"]["namespace"]
    unseen = ""
    if pod["kind"] != "Pod" or pod["spec"].get("hostNetwork"):
        unseen = "no plugin is called for it"
    return Case(
        id=title,
        subject="pod",
        definitions=definitions,
        namespace=namespace,
        annotations=annotations,
        asked=wishes(read(annotations.get(NETWORKS, ""), namespace)),
        unseen=unseen or next(filter(None, map(_unseen, definitions)), ""),
    )


def _of_definition(
    title: str,
    config: object,
    annotations: Mapping[str, str] | None = None,
    *,
    namespace: str = NAMESPACE,
    name: str = NAME,
) -> Case:
    is_text = isinstance(config, str) or (not title.startswith("vectors/") and not title.startswith("plugins/"))
    made = Definition(
        namespace=namespace,
        name=name,
        config=config if is_text else json.dumps(config),
        annotations=annotations or {},
    )
    return Case(
        id=title,
        subject="pod" if _waits(made) else "definition",
        definitions=[made],
        namespace=namespace,
        annotations={NETWORKS: _naming(made)},
        unseen=_unseen(made),
    )


def _waits(definition: Definition) -> bool:
    """Say whether IPAM static gets its address from the pod, so that the pod's own verdict counts as well."""
    ipams = [plugin.get("ipam") for plugin in plugins(str(definition.config))]
    return any(isinstance(one, dict) and one.get("type") == "static" and not one.get("addresses") for one in ipams)


def _naming(definition: Definition) -> str:
    """Return the annotation of a pod that names a definition, with an address if IPAM static gets it from the pod."""
    return json.dumps([{"name": definition.name, "ips": [ADDRESS]}]) if _waits(definition) else definition.name


def _unseen(definition: Definition) -> str:
    """Return why the node of these tests cannot say what happens to pods of a definition."""
    if not isinstance(definition.config, str):
        return "" if definition.config is None else "the API server refuses it"
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", definition.name):
        return "the API server refuses it"
    if definition.annotations.get(RESOURCE_NAME):
        return "needs a device plugin"
    missing = sorted(kind for kind in types(definition.config) if not (PLUGINS / kind).is_file())
    if missing:
        return f"needs {', '.join(missing)}"
    if any(plugin.get(key) for plugin in plugins(definition.config) for key in ("pciBusID", "kernelpath", "hwaddr")):
        return "needs a device"
    if {str(_ipam(plugin) or "static") for plugin in plugins(definition.config)} - IPAM:
        return "it would call itself without end"
    return "needs a DHCP server" if "dhcp" in types(definition.config) else ""


def types(config: str) -> set[str]:
    """Return the plugins that a configuration runs, as far as it can be read."""
    return {str(value) for plugin in plugins(config) for value in (plugin.get("type"), _ipam(plugin)) if value}


def plugins(config: str) -> list[Mapping[str, Any]]:
    """Return the plugins of a configuration, as far as it can be read."""
    try:
        value = json.loads(config)
    except ValueError:
        return []
    if not isinstance(value, dict):
        return []
    found = value.get("plugins", [value])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _ipam(plugin: Mapping[str, Any]) -> object:
    ipam = plugin.get("ipam")
    return ipam.get("type") if isinstance(ipam, dict) else None


def _objects(path: Path) -> Iterator[Mapping[str, Any]]:
    for value in yaml.safe_load_all(path.read_text()):
        yield from value["items"] if value["kind"] == "List" else [value]


def _is_definition(item: Mapping[str, Any]) -> bool:
    return bool(item["kind"] == "NetworkAttachmentDefinition")


def _definition(item: Mapping[str, Any]) -> Definition:
    metadata = item["metadata"]
    return Definition(
        namespace=metadata["namespace"],
        name=metadata["name"],
        config=item.get("spec", {}).get("config"),
        annotations=metadata.get("annotations", {}),
    )
