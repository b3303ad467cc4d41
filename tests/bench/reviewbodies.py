"""The reviews of the bench, built from the recorded ones, and clusters of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from cniplugin.access.model.decision import Rules
from tests.paths import EXAMPLES
from webhook.admission.model.injection import Injection
from webhook.admission.mutate import answer_mutation
from webhook.admission.mutation import jsonpatch
from webhook.admission.view.decisioncontext import Configuration, DecisionContext
from webhook.review import wire
from webhook.trees.manifests import load_snapshot

RECORDINGS = EXAMPLES / "recordings"
CONFIG = (
    '{"cniVersion":"1.0.0","name":"net-%d","plugins":[{"type":"bridge","bridge":"br%d","capabilities":{"ips":true},'
    '"ipam":{"type":"host-local","subnet":"10.%d.%d.0/24"}},{"type":"tuning","capabilities":{"mac":true}}]}'
)

DEVICES = "alice-pod"
"""Two networks with a resource of a device plugin."""
TOKEN = "kube-api-access-jjnzm"
"""The generated name of a volume in that pod."""


class Row(NamedTuple):
    """The path and the recording of a row. `different` says how its bodies differ."""

    path: str
    recording: str
    different: str = ""


ROWS = {
    "pod CREATE, two networks": Row("/validate", "pods-pod-c"),
    "NAD CREATE": Row("/validate", "network-attachment-definitions-data-plane"),
    "NAD CREATE, all different": Row("/validate", "network-attachment-definitions-data-plane", "configurations"),
    "pod without networks": Row("/validate", "pods-plain"),
    "pod CREATE, refused": Row("/validate", "pods-web-7b9fbb666b"),
    "mutate, two SR-IOV networks": Row("/mutate", f"pods-{DEVICES}", "replicas"),
    "mutate, labels differ": Row("/mutate", f"pods-{DEVICES}", "labels"),
    "mutate, all different": Row("/mutate", f"pods-{DEVICES}", "requests"),
    "pod CREATE, two SR-IOV": Row("/validate", f"pods-{DEVICES}", "replicas"),
}

DIFFERENT = 20_000
"""Bodies of the rows that no cache may answer: more than any cache of the webhook holds."""


def reviews(name: str) -> list[bytes]:
    """Return the bodies of a row, in the compact JSON of the API server."""
    row = ROWS[name]
    review = json.loads((RECORDINGS / f"create-{row.recording}.json").read_text())
    if row.path == "/validate":
        _mutate(review)
    if not row.different:
        return [_compact(review)]
    return [_differing(review, row.different, number) for number in range(DIFFERENT)]


def _mutate(review: Any) -> None:
    """Apply to a pod the patch of /mutate."""
    request = wire.decode(_compact(review))
    patch = answer_mutation(
        request, DecisionContext(load_snapshot(EXAMPLES / "cluster"), Rules(), Configuration(injection=Injection()))
    ).operations
    review["request"]["object"] = jsonpatch.apply(list(patch), review["request"]["object"])


def _differing(review: Any, how: str, number: int) -> bytes:
    """NB: replicas differ like the pods of a ReplicaSet: by their name, and by the name of the volume with their token."""
    thing = review["request"]["object"]
    if how == "configurations":
        config = json.loads(thing["spec"]["config"])
        config["plugins"][0]["bridge"] = f"br-{number}"
        thing["spec"]["config"] = json.dumps(config)
        return _compact(review)
    if how == "labels":
        thing["metadata"]["labels"]["number"] = str(number)
    if how == "requests":
        thing["spec"]["containers"][0]["resources"]["requests"] = {"memory": f"{number + 1}Mi"}
    thing["metadata"]["name"] = review["request"]["name"] = f"web-{number:05}"
    return _compact(review).replace(TOKEN.encode(), b"kube-api-access-%05d" % number)


def _compact(review: object) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()


def network(number: int) -> str:
    """Return the YAML of a definition by its number; each namespace has a hundred."""
    config = CONFIG % (number, number % 100, number // 250 % 250, number % 250)
    return (
        "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\n"
        f"metadata:\n  name: net-{number}\n  namespace: ns-{number // 100}\nspec:\n  config: |\n    {config}\n"
    )


def write_tree(folder: Path, count: int) -> None:
    """Write the example cluster and `count` more definitions, one file per namespace."""
    for path in (EXAMPLES / "cluster").glob("*.yaml"):
        (folder / path.name).write_text(path.read_text())
    for first in range(0, count, 100):
        definitions = [network(number) for number in range(first, min(first + 100, count))]
        (folder / f"ns-{first // 100}.yaml").write_text("---\n".join(definitions))
